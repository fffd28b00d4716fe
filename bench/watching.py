"""What this process holds in memory while something runs, by /proc."""

from __future__ import annotations

import threading
from pathlib import Path

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
