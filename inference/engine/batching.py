"""Pictures of different requests go through an accelerator together: a bounded wait, a bounded batch.

For runtimes whose cost hardly grows with the batch (a GPU). On a CPU it measured worse than one infer request a core,
so it is off there: ``INFERENCE_BATCH`` is the largest batch, 0 is none. A batch leaves when it is full or when its
oldest picture has waited ``wait`` seconds; what one batch raises reaches the requests of that batch and no others.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from training.features.embedding import Embedder

WAIT = 0.005


class Batched:
    """A trunk in front of which requests meet. The trunk itself is called by one thread at a time."""

    def __init__(self, trunk: Embedder, *, most: int, wait: float = WAIT) -> None:
        self.key, self.dim, self.shape, self.size = trunk.key, trunk.dim, trunk.shape, trunk.size
        self.platform = trunk.platform
        self.most = most
        self.wait = wait
        self.batches = 0  # that went through the trunk
        self._trunk = trunk
        self._waiting: list[tuple[NDArray[np.uint8], Future[NDArray[np.float32]]]] = []
        self._arrived = threading.Condition()
        threading.Thread(target=self._work, name=f"batches-{trunk.key}", daemon=True).start()

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 ``[n, size, size, 3]`` -> ``[n, dim]``; returns when the batch that these were in is done."""
        future: Future[NDArray[np.float32]] = Future()
        with self._arrived:
            self._waiting.append((images, future))
            self._arrived.notify()
        return future.result()

    def _work(self) -> None:
        while True:
            batch = self._next()
            self.batches += 1
            try:
                features = self._trunk.embed(np.concatenate([images for images, _future in batch]))
            except Exception as error:  # noqa: BLE001 - it is the waiting requests that must hear of it
                for _images, future in batch:
                    future.set_exception(error)
                continue
            start = 0
            for images, future in batch:
                future.set_result(features[start : start + len(images)])
                start += len(images)

    def _next(self) -> list[tuple[NDArray[np.uint8], Future[NDArray[np.float32]]]]:
        """Wait for a first request, then for more until the batch is full or the first has waited long enough."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting)
            until = time.monotonic() + self.wait
            while self._rows() < self.most and (left := until - time.monotonic()) > 0:
                self._arrived.wait(left)
            batch: list[tuple[NDArray[np.uint8], Future[NDArray[np.float32]]]] = []
            rows = 0
            while self._waiting and (not batch or rows + len(self._waiting[0][0]) <= self.most):
                batch.append(self._waiting.pop(0))
                rows += len(batch[-1][0])
            return batch

    def _rows(self) -> int:
        return sum(len(images) for images, _future in self._waiting)
