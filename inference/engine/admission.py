"""Admission to the processor: as many at work as there are lanes, a bounded number waiting, the rest refused at once.

On a CPU more concurrent inferences than cores make every one of them slower and none of them earlier; an unbounded
queue turns a burst into minutes of answers that nobody waits for any more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from inference.engine import metrics
from inference.errors import Busy
from labeling.resilience.turns import Turns


class Admission:
    """A fair semaphore whose queue has an end, in images and in seconds."""

    def __init__(self, *, lanes: int, waiting: int, patience: float = 10.0) -> None:
        self.lanes = lanes
        self.limit = waiting
        self.patience = patience
        self._lock = threading.Lock()
        self._waiting = 0
        self._turns = Turns(lanes)

    @property
    def depth(self) -> int:
        """Images admitted and not yet answered."""
        return self._waiting

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Hold a place for so many images, for as long as the request takes.

        Raises:
            Busy: The queue is full. A request larger than the whole queue is admitted when the queue is empty.
        """
        with self._lock:
            if self._waiting and self._waiting + images > self.limit:
                metrics.REFUSED.inc()
                raise Busy
            self._waiting += images
        metrics.QUEUE.inc(images)
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= images
            metrics.QUEUE.dec(images)

    @contextmanager
    def lane(self) -> Iterator[None]:
        """One core's worth of work.

        Raises:
            Busy: No lane came free within ``patience`` seconds.
        """
        if not self._turns.enter(self.patience):
            metrics.REFUSED.inc()
            raise Busy
        try:
            yield
        finally:
            self._turns.leave()
