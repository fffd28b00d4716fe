"""Requests that meet in a batch."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from inference.engine.batching import Batched


class Means:
    """A trunk that says each picture's mean, remembers its batches, and breaks on a white picture."""

    key, dim, shape, size, platform = "means", 1, (1,), 2, "numpy"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.said: list[float] = []
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def embed(self, images: np.ndarray) -> np.ndarray:
        self.entered.set()
        assert self.open.wait(60)
        self.batches.append(len(images))
        if (images == 255).all(axis=(1, 2, 3)).any():
            raise ValueError("white")
        means = images.reshape(len(images), -1).mean(axis=1, dtype=np.float32)
        self.said += means.tolist()
        return means[:, None]


def images(*values: int) -> np.ndarray:
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


def test_everyone_gets_the_features_of_his_own_pictures() -> None:
    trunk = Means()
    batched = Batched(trunk, most=8, wait=0.01)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: batched.embed(images(n, n + 100)), range(50)))
    for number, answer in enumerate(answers):
        assert answer.ravel().tolist() == [number, number + 100]
    assert sum(trunk.batches) == 100
    assert max(trunk.batches) <= 8
    assert len(trunk.batches) < 50, "some met in a batch"


def test_requests_that_wait_while_one_is_at_work_leave_together() -> None:
    trunk = Means()
    batched = Batched(trunk, most=8, wait=0.0)
    trunk.open.clear()
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(batched.embed, images(0))]
        assert trunk.entered.wait(60)  # the first is at work, alone, before the others come
        asked += [pool.submit(batched.embed, images(n)) for n in range(1, 5)]
        until = time.monotonic() + 60
        while len(batched._waiting) < 4 and time.monotonic() < until:
            time.sleep(0.001)
        trunk.open.set()
        assert [future.result().item() for future in asked] == [0, 1, 2, 3, 4]
    assert trunk.batches == [1, 4]


def test_who_came_first_is_answered_first() -> None:
    trunk = Means()
    batched = Batched(trunk, most=1, wait=0.0)
    trunk.open.clear()
    with ThreadPoolExecutor(4) as pool:
        for number in range(4):
            pool.submit(batched.embed, images(number))
            assert trunk.entered.wait(60)  # the first is at work, and each of the others waits before the next comes
            until = time.monotonic() + 60
            while len(batched._waiting) < number and time.monotonic() < until:
                time.sleep(0.001)
        trunk.open.set()
    assert trunk.said == [0, 1, 2, 3]


def test_more_than_a_batch_in_one_request_goes_alone() -> None:
    trunk = Means()
    assert Batched(trunk, most=2, wait=0.0).embed(images(1, 2, 3)).ravel().tolist() == [1, 2, 3]
    assert trunk.batches == [3]


def test_a_batch_that_breaks_breaks_for_its_own_requests_and_the_next_one_works() -> None:
    batched = Batched(Means(), most=1, wait=0.0)
    with pytest.raises(ValueError, match="white"):
        batched.embed(images(255))
    assert batched.embed(images(5)).item() == 5
