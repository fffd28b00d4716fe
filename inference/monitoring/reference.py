"""What a version was trained on, small enough to keep beside it: for novelty, drift and the nearest training images.

Training features are projected onto their leading principal directions and scaled to unit variance there. Novelty is
the distance to the k-th nearest of a sample of training images, in units of what 95 of 100 training images stay below:
1 is as far out as one training image in twenty, 2 is twice as far.

Source: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors (ICML 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 64
SAMPLE = 1000  # images kept at most
NEIGHBOURS = 5
BLOCK = 1024  # rows whose distances are made at once
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """A version's training images, projected. Arrays are float32 unless said."""

    mean: Floats  # [dim]
    directions: Floats  # [dim, d]: projection and scaling in one
    points: Floats  # [m, d]: a sample of the training images
    image_ids: NDArray[np.int64]  # [m]: whose they are
    unit: float  # the distance that 95 of 100 training images stay below
    class_shares: Floats  # [k]: predicted classes over the training images

    def project(self, features: Floats) -> Floats:
        """``[n, dim] -> [n, d]``, zero mean and unit variance over the training images."""
        return np.asarray((features - self.mean) @ self.directions, np.float32)

    def novelty(self, features: Floats) -> Floats:
        """``[n, dim] -> [n]``, 0 upwards; above 1 for one training image in twenty."""
        return _kth_distance(self.project(features), self.points, NEIGHBOURS) / np.float32(max(self.unit, 1e-9))

    def nearest(self, features: Floats, count: int) -> list[tuple[int, float]]:
        """The training images most like the one of ``features`` ``[dim]``: (image id, distance in novelty's unit)."""
        distances = _distances(self.project(features[None]), self.points)[0]
        order = np.argsort(distances, kind="stable")[:count]
        return [(int(self.image_ids[index]), float(distances[index] / max(self.unit, 1e-9))) for index in order]

    def save(self, path: Path) -> None:
        draft = path.with_suffix(".draft.npz")
        np.savez(
            draft,
            mean=self.mean,
            directions=self.directions,
            points=self.points,
            image_ids=self.image_ids,
            unit=np.float32(self.unit),
            class_shares=self.class_shares,
        )
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Reference:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:  # numpy leaves a damaged one open
            return cls(
                file["mean"], file["directions"], file["points"], file["image_ids"], float(file["unit"]),
                file["class_shares"],
            )  # fmt: skip


def fit_reference(features: Floats, image_ids: NDArray[np.int64], class_shares: Floats, *, seed: int = 0) -> Reference:
    """Summarise the training images.

    Args:
        features: ``[n, dim]``, n >= 2.
        image_ids: ``[n]``.
        class_shares: ``[k]``, sums to 1.
        seed: Of the sample's draw.
    """
    rng = np.random.default_rng(seed)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = features[rng.permutation(len(features))[:5000]] - mean
    directions = _principal(centred, min(DIRECTIONS, len(centred) - 1, centred.shape[1]))
    chosen = np.sort(rng.permutation(len(features))[:SAMPLE])
    points = (features[chosen] - mean) @ directions
    # Each point's own zero distance is the first neighbour, so ask for one more.
    distances = _kth_distance(points, points, min(NEIGHBOURS + 1, len(points)))
    unit = float(np.quantile(distances, 0.95))
    return Reference(
        mean, directions, points, image_ids[chosen].astype(np.int64), unit, class_shares.astype(np.float32)
    )


def _principal(centred: Floats, count: int) -> Floats:
    """``[n, dim] -> [dim, count]``: leading directions, each divided by the deviation along it."""
    n, dim = centred.shape
    if n < dim:  # the small Gram matrix has the same spectrum
        values, left = np.linalg.eigh(centred.astype(np.float64) @ centred.T.astype(np.float64))
        values, left = values[::-1][:count], left[:, ::-1][:, :count]
        vectors = centred.T @ left / np.sqrt(np.maximum(values, 1e-12))
    else:
        values, right = np.linalg.eigh(centred.T.astype(np.float64) @ centred.astype(np.float64))
        values, vectors = values[::-1][:count], right[:, ::-1][:, :count]
    deviation = np.sqrt(np.maximum(values / max(n - 1, 1), 0.0))
    floor = max(float(deviation.max(initial=0.0)) * 1e-3, 1e-6)
    return (vectors / np.maximum(deviation, floor)).astype(np.float32)


def _distances(points: Floats, others: Floats) -> Floats:
    """Euclidean, ``[n, d] x [m, d] -> [n, m]``."""
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2.0 * points @ others.T
    return np.sqrt(np.maximum(squares, 0.0))


def _kth_distance(points: Floats, others: Floats, k: int) -> Floats:
    """Distance of each of ``points`` ``[n, d]`` to the k-th nearest of ``others`` ``[m, d]``, in blocks of the cache.

    The nearest by ``|y|^2 - 2 x.y`` are the nearest by ``|x - y|``, so one product does, and the root is taken of the
    k-th alone. Taking the least away k - 1 times is eight times quicker here than a partition.
    """
    k = min(k, len(others))
    weights = np.concatenate([-2.0 * others, (others**2).sum(1)[:, None]], axis=1).T.astype(np.float32)
    found = np.empty(len(points), np.float32)
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        gaps = np.concatenate([block, np.ones((len(block), 1), np.float32)], axis=1) @ weights
        for _ in range(k - 1):
            gaps[np.arange(len(block)), gaps.argmin(axis=1)] = np.inf
        found[start : start + BLOCK] = gaps.min(axis=1) + (block**2).sum(1)
    return np.sqrt(np.maximum(found, 0.0))
