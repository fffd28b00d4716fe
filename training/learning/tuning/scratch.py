"""A compact network from random weights, on pixels: what transfer learning is compared with, never what serves.

Fresh augmented views in every epoch, since a network that has seen nothing before needs all the variety there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.learning.augment import Augmentation, view
from training.learning.networks.heavy import keras  # imported by the trainer's process and by benches only
from training.learning.networks.network import settle
from training.learning.networks.small import build_small
from training.learning.rows import Rows
from training.learning.tuning.keras_loop import LoopOptions, Part, Progress, fit_epochs

SIZE = 96  # pixels a side
OPTIONS = LoopOptions(epochs=30, patience=30, learning_rate=2e-3)


def fit_from_scratch(
    pictures: Rows,
    shas: Sequence[str],
    y: np.ndarray,
    weights: np.ndarray | None,
    train: np.ndarray,
    validation: np.ndarray,
    *,
    rule: Augmentation | None = None,
    options: LoopOptions = OPTIONS,
    seed: int = 0,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Train the network of ``small`` with a new last layer on the training part.

    Args:
        pictures: uint8 ``[n, SIZE * SIZE * 3]``, RGB.
        shas: Their hashes, which the augmented views are drawn by.
        y: float32 ``[n, classes]``.
        weights: ``[n]``; None = alike.
        train, validation: int places among them.
        rule: How far the views may go.
        progress, checkpoint: See ``fit_epochs``.

    Returns:
        The Keras model (float32 ``[k, SIZE, SIZE, 3]`` of ``scaled`` -> logits) and its history.

    Raises:
        TrainingDiverged, Cancelled.
    """
    settle()
    keras.utils.set_random_seed(seed)
    base = build_small(norm=True, size=SIZE)
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    model = keras.Model(base.input, keras.layers.Dense(y.shape[1])(x))

    def augmented(epoch: int, at: np.ndarray) -> np.ndarray:
        seen = pictures.read(train[at]).astype(np.uint8).reshape(-1, SIZE, SIZE, 3)
        return scaled(np.stack([view(one, shas[i], epoch, rule) for one, i in zip(seen, train[at], strict=True)]))

    mine = None if weights is None else weights[train]
    fitted = Part(lambda at: scaled(pictures.read(train[at])), y[train], mine, epoch_rows=augmented)
    held = Part(lambda at: scaled(pictures.read(validation[at])), y[validation])
    return model, fit_epochs(model, fitted, held, options, seed=seed, progress=progress, checkpoint=checkpoint)


def scaled(pictures: np.ndarray) -> np.ndarray:
    """0..255 of any shape and type -> float32 ``[k, SIZE, SIZE, 3]``, -1..1."""
    return pictures.reshape(-1, SIZE, SIZE, 3).astype(np.float32) / 127.5 - 1
