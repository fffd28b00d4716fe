"""Which picture is trained on and which is only ever measured on, by the picture's own hash.

A picture's split depends on nothing but its bytes (or its group's), so it never moves as a project grows and the test
set of an old version stays unseen by a new one. Near-duplicates (a burst, a resized copy) form a group and fall on the
same side: ``perceptual_hash`` is the difference hash (dHash, Krawetz 2013), compared by Hamming distance.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

Split = Literal["train", "validation", "test"]
VALIDATION, TEST = 0.15, 0.15
NEAR = 4  # bits of 64 in which near-duplicates may differ
_SALT = b"crowdtune split 1:"


def split_of(sha256: str, groups: Mapping[str, str] | None = None) -> Split:
    """train (70 %), validation (15 %) or test (15 %), for ever the same.

    Args:
        sha256: Hex hash of the picture.
        groups: Picture -> the name of its near-duplicate group (see ``near_duplicates``); others stand alone.
    """
    name = groups.get(sha256, sha256) if groups else sha256
    draw = int.from_bytes(hashlib.sha256(_SALT + name.encode()).digest()[:8], "big") / 2**64
    if draw < TEST:
        return "test"
    return "validation" if draw < TEST + VALIDATION else "train"


def perceptual_hash(pixels: np.ndarray) -> int:
    """64-bit dHash of a picture: is each cell of an 8 x 8 grid brighter than its right neighbour?

    Args:
        pixels: uint8 ``[h, w, 3]`` with h, w >= 9.
    """
    grey = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)
    rows = np.linspace(0, grey.shape[0], 9).astype(int)
    columns = np.linspace(0, grey.shape[1], 10).astype(int)
    cells = np.add.reduceat(np.add.reduceat(grey, rows[:-1], axis=0), columns[:-1], axis=1)
    cells /= np.outer(np.diff(rows), np.diff(columns))
    bits = cells[:, 1:] > cells[:, :-1]
    return int(np.packbits(bits).tobytes().hex(), 16)


def near_duplicates(shas: Sequence[str], hashes: Sequence[int], near: int = NEAR) -> dict[str, str]:
    """Groups of pictures whose perceptual hashes differ in at most ``near`` bits, closed under chains.

    By the pigeonhole principle two such hashes agree in at least one of near + 1 pieces, so only pictures that share a
    piece are compared. Flat pictures (a hash of nearly all zeros) say nothing and stay alone.

    Returns:
        Picture -> group name (the smallest hash in it), only for pictures that have a near-duplicate.
    """
    parent = list(range(len(shas)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    pieces = near + 1
    bits = [64 * piece // pieces for piece in range(pieces + 1)]
    telling = [i for i, value in enumerate(hashes) if 4 <= value.bit_count() <= 60]
    for low, high in itertools.pairwise(bits):
        buckets: dict[int, list[int]] = {}
        for i in telling:
            buckets.setdefault((hashes[i] >> low) & ((1 << (high - low)) - 1), []).append(i)
        for bucket in buckets.values():
            values = np.array([hashes[i] for i in bucket], np.uint64)
            for at, i in enumerate(bucket[:-1]):
                close = np.flatnonzero(np.bitwise_count(values[at + 1 :] ^ values[at]) <= near)
                for j in close:
                    a, b = root(i), root(bucket[at + 1 + int(j)])
                    parent[max(a, b)] = min(a, b)
    groups: dict[int, list[str]] = {}
    for i, sha in enumerate(shas):
        groups.setdefault(root(i), []).append(sha)
    return {sha: min(group) for group in groups.values() if len(group) > 1 for sha in group}


def stratified(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Fold numbers int ``[n]`` below ``count`` for labels int ``[n]``: each class is dealt out in turn, from a random
    start."""
    folds = np.empty(len(labels), int)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        folds[rows] = (np.arange(len(rows)) + rng.integers(count)) % count
    return folds
