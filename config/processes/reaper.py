"""The supervisor's second line: ends every program that is left when the supervisor is gone, however it went.

Reads ``+PID SIGNAL`` and ``-PID`` lines from its standard input: process groups that run and that have ended. The end
of the input means that the supervisor has died (an orderly one has emptied the list before): each group left gets its
signal, and SIGKILL ten seconds later. On Linux the kernel's parent-death signal (``guard.py``) comes first, but it
reaches only direct children; elsewhere this process is the only line. Standard library only, so that it stays small.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

PATIENCE_SECONDS = 10.0


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        if line.startswith("+"):
            pid, stop = line[1:].split()
            groups[int(pid)] = int(stop)
        elif line.startswith("-"):
            groups.pop(int(line[1:]), None)
    end(groups)


def end(groups: dict[int, int]) -> None:
    for group, number in groups.items():
        send(group, number)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and any(send(group, 0) for group in groups):
        time.sleep(0.1)
    for group in groups:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Signal a whole process group; False when nobody of it is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    main()
