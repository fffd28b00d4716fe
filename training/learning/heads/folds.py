"""What heads say of pictures that they were not fitted on: cross-validation over all pictures (Stone 1974)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.learning.errors import TooLittleData
from training.learning.heads.dense import softmax
from training.learning.heads.head import HeadOptions, Progress, fit_head
from training.learning.rows import Rows
from training.learning.split import stratified

FOLDS = 5


def out_of_fold(
    x: np.ndarray | Rows, y: np.ndarray, weights: np.ndarray | None, *, categories: Sequence[str],
    options: HeadOptions, groups: np.ndarray | None = None, seed: int = 0, progress: Progress | None = None,
) -> np.ndarray:  # fmt: skip
    """``[n, classes]``: for each picture, what a head says that was fitted without it and its near-duplicates.

    Args:
        x, y, weights, categories, options, groups, progress: As for ``fit_head``, which is run FOLDS times.
        seed: Of the folds and of each fit.

    Raises:
        As ``fit_head``, but for TooLittleData: a fold that leaves one class answers with the labels' shares.
    """
    x = Rows.of(x)
    rng = np.random.default_rng(seed)
    number = stratified(np.asarray(y).argmax(axis=1), min(FOLDS, len(x)), rng, groups)
    answers = np.zeros(np.asarray(y).shape, np.float32)
    for fold in np.unique(number):
        fit, held = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
        try:
            head, _ = fit_head(
                x[fit], y[fit], None if weights is None else weights[fit], categories=categories, options=options,
                groups=None if groups is None else groups[fit], seed=seed, progress=progress,
            )  # fmt: skip
            for at, block in x[held].blocks():
                answers[held[at]] = softmax(head.logits(block))
        except TooLittleData:
            answers[held] = np.asarray(y)[fit].mean(axis=0)
    return answers
