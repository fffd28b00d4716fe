"""What a version was trained on, small enough to keep beside it: for novelty, drift and the nearest training images.

Features are made of one length and placed by their leading principal directions and how far they lie beside these:
what a network was never shown differs in directions in which its training images do not. Novelty is the distance to the
k-th nearest of a sample of training images: 0 is no farther out than half of new images of their kind, 1 as far as one
in twenty, ``NOVEL`` as far as one in a hundred.

Drift is measured along directions that half of the training images gave, against the other half: those are placed as
requests are, which the images that gave the directions are not.

Source: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors (ICML 2022); Hyndman & Fan, Sample
Quantiles in Statistical Packages (1996), definition 6: a new one lies beyond the quantile p in 1 - p of the cases,
however few there are; Cox, A Note on Data-Splitting (1975).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.monitoring.drift import DIMENSIONS
from training.learning.files import read_arrays, write_arrays

DIRECTIONS = 63
SAMPLE = 1000  # images kept at most
NEIGHBOURS = 5
FOLDS = 5
# From there on an image is unlike all training images; one in a hundred of their kind is, too. Distances of one kind
# are nearly normal, and of few images the hundredth part is a matter of luck: it is put where that of a normal one is.
NOVEL = 2.326 / 1.645
BLOCK = 1024  # rows whose distances are made at once
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """A version's training images, projected. Arrays are float32 unless said."""

    mean: Floats  # [dim], of features of length 1
    directions: Floats  # [dim, d], of length 1
    points: Floats  # [m, d + 1]: the places of a sample of the training images
    image_ids: NDArray[np.int64]  # [m]: whose they are
    middle: float  # the distance that half of new images of their kind stay below
    edge: float  # and that 95 of 100 do
    axes: Floats  # [dim, <= DIMENSIONS]: what drift is measured along
    origin: Floats  # [<= DIMENSIONS]: the mean of the images that gave no axes, along them
    drawn: Floats  # [m, <= DIMENSIONS]: a sample of these, zero mean and unit variance
    class_shares: Floats  # [k]: predicted classes over the training images

    def project(self, features: Floats) -> Floats:
        """``[n, dim] -> [n, <= DIMENSIONS]``, by which drift is measured: beside ``drawn``."""
        return features @ self.axes / _lengths(features) - self.origin

    def place(self, features: Floats) -> Floats:
        """``[n, dim] -> [n, d + 1]``: images that look alike lie together."""
        return _placed(features, self.mean, self.directions)

    def novelty(self, features: Floats) -> Floats:
        """``[n, dim] -> [n]``, 0 upwards; above 1 for one new image in twenty of the training images' kind."""
        distances = _kth_distance(self.place(features), self.points, NEIGHBOURS)
        unit = max(self.edge - self.middle, 0.05 * self.edge, 1e-9)
        return np.maximum((distances - np.float32(self.middle)) / np.float32(unit), np.float32(0))

    def nearest(self, features: Floats, count: int) -> list[tuple[int, float]]:
        """The training images most like the one of ``features`` ``[dim]``: (image id, distance; 1 is novelty's 1)."""
        distances = _distances(self.place(features[None]), self.points)[0]
        order = np.argsort(distances, kind="stable")[:count]
        return [(int(self.image_ids[index]), float(distances[index] / max(self.edge, 1e-9))) for index in order]

    def save(self, path: Path) -> None:
        write_arrays(path, {one.name: np.asarray(getattr(self, one.name)) for one in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Reference:
        file = read_arrays(path)
        return cls(
            file["mean"], file["directions"], file["points"], file["image_ids"], float(file["middle"]),
            float(file["edge"]), file["axes"], file["origin"], file["drawn"], file["class_shares"],
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
    of_one = features / _lengths(features)
    mean = of_one.mean(axis=0, dtype=np.float64).astype(np.float32)
    directions = _principal(of_one[rng.permutation(len(features))[:5000]] - mean, DIRECTIONS)
    chosen = np.sort(rng.permutation(len(features))[:SAMPLE])
    points = _placed(features[chosen], mean, directions)
    distances = _left_out(features[rng.permutation(chosen)])
    middle, edge = np.quantile(distances, (0.5, 0.95), method="weibull").tolist()
    axes, origin, drawn = _halved(of_one[rng.permutation(len(features))[:5000]])
    return Reference(
        mean, directions, points, image_ids[chosen].astype(np.int64), middle, edge, axes, origin, drawn,
        class_shares.astype(np.float32),
    )  # fmt: skip


def _halved(of_one: Floats) -> tuple[Floats, Floats, Floats]:
    """``axes``, ``origin`` and ``drawn`` of a reference, from features ``[n, dim]`` of length 1 in no order."""
    givers, others = of_one[: len(of_one) // 2], of_one[len(of_one) // 2 :]
    directions = _principal(givers - givers.mean(axis=0, keepdims=True), DIMENSIONS)
    along = others @ directions
    axes = directions / np.maximum(along.std(axis=0), np.float32(1e-6))
    places = others @ axes
    origin = places.mean(axis=0, dtype=np.float64).astype(np.float32)
    return axes, origin, (places - origin)[:SAMPLE]


def _lengths(features: Floats) -> Floats:
    """``[n, dim] -> [n, 1]``, of what is all zero, too, more than nothing."""
    return np.maximum(np.sqrt(np.einsum("nd,nd->n", features, features))[:, None], np.float32(1e-12))


def _placed(features: Floats, mean: Floats, directions: Floats) -> Floats:
    """``[n, dim] -> [n, d + 1]``: along each direction, and the rest of the way from the mean, beside them all."""
    lengths = _lengths(features)
    along = features @ directions / lengths - mean @ directions
    squares = 1.0 - 2.0 * (features @ mean)[:, None] / lengths + mean @ mean  # of a feature of length 1 to the mean
    beside = np.sqrt(np.maximum(squares - (along**2).sum(axis=1, keepdims=True), 0.0))
    return np.concatenate([along, beside], axis=1).astype(np.float32)


def _left_out(features: Floats) -> Floats:
    """``[n, dim] -> [n]``, how far each image lies from the others when the directions are found without it.

    Directions fit the images that they are found by: of 200, these lie farther apart along them than new ones of the
    same kind do, and nothing would be novel beside such distances.
    """
    folds = np.arange(len(features)) % FOLDS
    distances = np.empty(len(features), np.float32)
    for fold in range(min(FOLDS, len(features))):
        rest = features[folds != fold]
        of_one = rest / _lengths(rest)
        mean = of_one.mean(axis=0, dtype=np.float64).astype(np.float32)
        directions = _principal(of_one - mean, DIRECTIONS)
        others = _placed(rest, mean, directions)
        distances[folds == fold] = _kth_distance(_placed(features[folds == fold], mean, directions), others, NEIGHBOURS)
    return distances


def _principal(centred: Floats, most: int) -> Floats:
    """``[n, dim] -> [dim, d]``: at most ``most`` leading directions."""
    n, dim = centred.shape
    count = max(min(most, n - 1, dim), 0)
    exact = centred.astype(np.float64)
    if n < dim:  # the small Gram matrix has the same spectrum
        values, left = np.linalg.eigh(exact @ exact.T)
        values, left = values[::-1][:count], left[:, ::-1][:, :count]
        vectors = exact.T @ left / np.sqrt(np.maximum(values, 1e-12))
    else:
        values, right = np.linalg.eigh(exact.T @ exact)
        values, vectors = values[::-1][:count], right[:, ::-1][:, :count]
    deviations = np.sqrt(np.maximum(values / max(n - 1, 1), 0.0))
    some = deviations > max(float(deviations.max(initial=0.0)) * 1e-3, 1e-6)  # the others are noise of the arithmetic
    return vectors[:, some].astype(np.float32)


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
