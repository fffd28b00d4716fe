"""What this process holds in memory while something runs, and what CPU others use, by /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
EVERY = 0.005  # seconds between two looks


def status(field: str) -> float:
    """MB of a line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def anonymous() -> float:
    """MB that this process holds now, without pages of mapped files, which the system takes back when it needs them."""
    return status("RssAnon")


class Peak:
    """``most`` MB of anonymous memory by a thread that looks, ``resident`` MB at the peak by the kernel (VmHWM)."""

    def __enter__(self) -> Peak:
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
        self.most, self._over = anonymous(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            self.most = max(self.most, anonymous())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.resident = status("VmHWM")


def cpu_of(pids: set[int]) -> float:
    """Seconds of CPU that these processes have used, and their children that are gone.

    By the process and not by its threads: those that ended in between would be missing.
    """
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15]) / TICK
    return total


def family(*roots: int) -> set[int]:
    """The processes and all below them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = set(), list(roots)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += parents.get(pid, [])
    return found
