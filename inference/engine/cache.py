"""What is in memory: trunks and heads, the least recently used leave first, and each is loaded once.

A value that was taken from the cache stays usable after it was evicted: eviction drops the cache's reference only, so
a request that is under way finishes with the version it began with.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    value: Any
    size: int


class Cache:
    """A bounded map whose misses are loaded by one caller while the others wait for that caller's result."""

    def __init__(self, limit: int, *, sized: Callable[[int], None] = lambda _size: None) -> None:
        """``limit`` in bytes. One value larger than all of it is kept alone. ``sized`` hears of the size it has now."""
        self.limit = limit
        self._sized = sized
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._loading: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], tuple[Any, int]]) -> Any:
        """The value of ``key``; ``load`` returns it with its size in bytes, and runs at most once at a time a key.

        Raises:
            Exception: Whatever ``load`` raised, in each caller that waited for it. The next call tries again.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                return entry.value
            future = self._loading.get(key)
            mine = future is None
            if future is None:
                future = self._loading[key] = Future()
        return self._load(key, load, future) if mine else future.result()

    def peek(self, key: Hashable) -> Any:
        """The value where it is in memory, else None; it does not become newer by this."""
        entry = self._entries.get(key)
        return entry and entry.value

    def _load(self, key: Hashable, load: Callable[[], tuple[Any, int]], future: Future[Any]) -> Any:
        try:
            value, size = load()
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            future.set_exception(error)
            raise
        with self._lock:
            self._entries[key] = Entry(value, size)
            del self._loading[key]
            self._evict(keep=key)
            self._sized(self._total())
        future.set_result(value)
        return value

    def _evict(self, *, keep: Hashable) -> None:
        total = self._total()
        for key in list(self._entries):
            if total <= self.limit:
                return
            if key != keep:
                total -= self._entries.pop(key).size

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    @property
    def size(self) -> int:
        """Bytes held, as the loaders counted them."""
        with self._lock:
            return self._total()

    def _total(self) -> int:
        return sum(entry.size for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
