"""Which picture is trained on and which is only ever measured on, by the picture's own hash.

A picture's split depends on nothing but its bytes (or its group's), so it never moves as a project grows and the test
set of an old version stays unseen by a new one. Near-duplicates (a burst, a resized copy) fall on the same side because
the hash of their group is asked about instead of their own (``training.snapshots.traits``).
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

Split = Literal["train", "validation", "test"]
VALIDATION, TEST = 0.15, 0.15
_SALT = b"crowdtune split 1:"


def split_of(sha256: str) -> Split:
    """train (70 %), validation (15 %) or test (15 %), for ever the same.

    Args:
        sha256: Hex hash of the picture, or of the first picture of its group of near-duplicates.
    """
    draw = int.from_bytes(hashlib.sha256(_SALT + sha256.encode()).digest()[:8], "big") / 2**64
    if draw < TEST:
        return "test"
    return "validation" if draw < TEST + VALIDATION else "train"


def stratified(
    labels: np.ndarray, count: int, rng: np.random.Generator, groups: np.ndarray | None = None
) -> np.ndarray:
    """Fold numbers int ``[n]`` below ``count`` for labels int ``[n]``: each class is dealt out in turn, from a random
    start.

    Args:
        groups: int ``[n]``: near-duplicates have one number, and the fold of the first of them.
    """
    if groups is not None:
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        order = np.argsort(first)  # as they come, whatever their numbers are
        return stratified(labels[first[order]], count, rng)[np.argsort(order)[group]]
    folds = np.empty(len(labels), int)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        folds[rows] = (np.arange(len(rows)) + rng.integers(count)) % count
    return folds
