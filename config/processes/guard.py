"""Starts a program so that it cannot outlive its parent, and, for PostgreSQL, not as root.

``python -I -S guard.py PARENT SIGNAL USER -- program arguments…`` asks the kernel to send SIGNAL when the parent dies
(Linux; elsewhere the supervisor's reaper alone does this), then becomes the program. A script of its own and not a
``preexec_fn``, because Python code between fork and exec can deadlock in a process with threads. Standard library only.

USER is ``self``, ``namespace`` (a user namespace in which root is the ordinary user 1000: nothing on disk changes
hands) or ``nobody`` (where the kernel grants no namespace, as in many containers: the user nobody, keeping the one
capability to enter folders of root).
Source: prctl(2), user_namespaces(7), capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_CLONE_NEWUSER = 0x10000000
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with_parent(parent: int, signal_number: int) -> None:
    """Ask for ``signal_number`` at the parent's death; exit at once when it has died already."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit(f"guard: process {parent} was gone before its child started")


def enter_namespace() -> None:
    """Become user 1000 of a new user namespace, who is the present user outside it."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(_CLONE_NEWUSER), "unshare(CLONE_NEWUSER)")
    for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {user} 1"), ("gid_map", f"1000 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def become_nobody() -> None:
    """Drop root for nobody, keeping (where it is there to keep) the right to pass folders that root closed."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    bit = 1 << _CAP_DAC_OVERRIDE
    if libc.capset(header, struct.pack("6I", bit, bit, bit, 0, 0, 0)) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, of whatever account."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(arguments: list[str]) -> None:
    parent, signal_number, user, _dashes, *command = arguments
    if user == "namespace":
        enter_namespace()
    elif user == "nobody":
        become_nobody()
    # After the change of user, which would clear it.
    die_with_parent(int(parent), int(signal_number))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
