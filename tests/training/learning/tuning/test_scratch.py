"""The network from random weights: what transfer learning is compared with."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from training.learning.networks import small
from training.learning.rows import Rows
from training.learning.tuning.scratch import OPTIONS, SIZE, fit_from_scratch, scaled


@pytest.mark.slow
def test_the_same_seed_learns_the_same_from_pixels_and_shows_its_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "BLOCKS", small.BLOCKS[4:7])  # to trace all of them takes most of the time
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    pictures = rng.integers(0, 100, (24, SIZE * SIZE * 3)).astype(np.uint8) + (100 * labels[:, None]).astype(np.uint8)
    shas = [hashlib.sha256(bytes([i])).hexdigest() for i in range(24)]
    y = np.eye(2, dtype=np.float32)[labels]
    train, validation = np.arange(16), np.arange(16, 24)
    limits = replace(OPTIONS, epochs=2)
    found = [
        fit_from_scratch(Rows.of(pictures), shas, y, None, train, validation, options=limits, seed=1) for _ in range(2)
    ]

    (model, history), (_, again) = found
    assert history == again
    assert len(history["accuracy"]) == len(history["val_accuracy"]) == 2
    assert np.asarray(model.predict_on_batch(scaled(pictures[:3]))).shape == (3, 2)


def test_pixels_are_scaled_to_minus_one_to_one() -> None:
    pictures = np.array([[0, 255] * (SIZE * SIZE * 3 // 2)], np.uint8)

    assert scaled(pictures).shape == (1, SIZE, SIZE, 3)
    assert set(np.unique(scaled(pictures))) == {-1.0, 1.0}
