"""How many threads work at once, and who is next: a fair semaphore; and how many may wait for somebody outside.

More threads at work than the cores can feed make every one of them slower and none of them earlier: they fight for the
interpreter, and in the database for the same rows. Turns are handed on in the order of arrival: with the standard
library's semaphores a newcomer overtakes those who wait, and the unlucky wait twice as long.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 2.0  # that are waited for a place


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Turns:
    """``lanes`` threads at once; the others wait in the order in which they came."""

    def __init__(self, lanes: int) -> None:
        self._lock = threading.Lock()
        self._free = lanes  # more than 0 only while nobody waits for a turn
        self._waiting: deque[threading.Lock] = deque()  # held locks; who waits for one may go when it is released

    def enter(self, patience: float) -> bool:
        """Take a lane, to be left again; False when none came free within ``patience`` seconds."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=patience):
            return True
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # it was called in the moment in which its patience ended

    def leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    @contextmanager
    def soon(self, patience: float) -> Iterator[None]:
        """A turn for what is in the block; after ``patience`` seconds it goes ahead without one.

        For work that is quick as a rule: who waits behind a slow one is not held up for longer than that.
        """
        held = self.enter(patience)
        try:
            yield
        finally:
            if held:
                self.leave()


class Crowded(Exception):
    """Too many wait already."""


class Places:
    """So many at once. Who waits for one holds a thread that others need: when one has waited in vain, those that come
    later are refused at once, until a place is free again.

    Args:
        count: 1 at least.
        within: Of whose places each takes one, too, so that several kinds that may each be many are not too many.
        seconds: That are waited for one; SECONDS where left out.
    """

    def __init__(self, count: int, within: Places | None = None, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._free = threading.Semaphore(max(1, count))
        self._in_vain = False
        self._within = within

    def take(self, *, waits: bool = True) -> bool:
        seconds = SECONDS if self._seconds is None else self._seconds
        taken = self._free.acquire(timeout=seconds if waits and not self._in_vain else 0.0)
        if taken and self._within is not None and not self._within.take(waits=waits):
            self._free.release()
            return False
        if waits and not taken:
            self._in_vain = True
        return taken

    def leave(self) -> None:
        if self._within is not None:
            self._within.leave()
        self._in_vain = False
        self._free.release()
