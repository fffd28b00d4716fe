"""What a version was trained on, small enough to keep beside it: for novelty, drift and the nearest training images.

Features are made of one length; maps are averaged over their places before. Novelty is the mean cosine distance to the
nearest of a sample of training images: 0 is no farther out than half of new images of their kind, 1 as far as one in
twenty, ``NOVEL`` as far as one in a hundred.

Drift is measured along directions that half of the training images gave, against the other half: those are placed as
requests are, which the images that gave the directions are not.

Source: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors (ICML 2022); Hyndman & Fan, Sample
Quantiles in Statistical Packages (1996), definition 6: a new one lies beyond the quantile p in 1 - p of the cases,
however few there are; Hosking & Wallis, Parameter and Quantile Estimation for the Generalized Pareto Distribution
(1987); Cox, A Note on Data-Splitting (1975).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.monitoring.drift import DIMENSIONS
from training.learning.files import read_arrays, write_arrays

SAMPLE = 1000  # images kept at most
NEIGHBOURS = 3
NOVEL = 2.326 / 1.645  # from there on an image is unlike all training images; one in a hundred of their kind is, too
TAIL = 0.2  # of the distances, by which the hundredth part is found
LEAST_IN_TAIL = 5
ROUGH = 64
BLOCK = 1024  # rows whose distances are made at once
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """A version's training images. Arrays are float32 unless said; ``dim`` is the maps where features are maps."""

    points: Floats  # [m, dim], of length 1: a sample of the training images
    image_ids: NDArray[np.int64]  # [m]: whose they are
    middle: float  # the distance that half of new images of their kind stay below
    edge: float  # that 95 of 100 do
    far: float  # and that 99 of 100 do
    axes: Floats  # [dim, <= DIMENSIONS]: what drift is measured along
    origin: Floats  # [<= DIMENSIONS]: the mean of the images that gave no axes, along them
    drawn: Floats  # [m, <= DIMENSIONS]: a sample of these, zero mean and unit variance
    class_shares: Floats  # [k]: predicted classes over the training images

    def project(self, features: Floats) -> Floats:
        """``[n, features] -> [n, <= DIMENSIONS]``, by which drift is measured: beside ``drawn``."""
        return self.place(features) @ self.axes - self.origin

    def place(self, features: Floats) -> Floats:
        """``[n, features] -> [n, dim]``: images that look alike lie together."""
        return _of_one(features, self.points.shape[1])

    def place_roughly(self, features: Floats) -> Floats:
        """The same in few numbers, along directions drawn at random: distances are a tenth off."""
        places, dim = self.place(features), self.points.shape[1]
        if dim <= ROUGH:
            return places
        directions = np.random.default_rng(0).normal(0, ROUGH**-0.5, (dim, ROUGH))
        return places @ directions.astype(np.float32)

    def novelty(self, features: Floats) -> Floats:
        """``[n, features] -> [n]``, 0 upwards; above 1 for one new image in twenty of the training images' kind."""
        places, distances = self.place(features), np.empty(len(features), np.float32)
        for start in range(0, len(places), BLOCK):
            gaps = _distances(places[start : start + BLOCK], self.points)
            distances[start : start + BLOCK] = _to_nearest(gaps, NEIGHBOURS)
        within = (distances - self.middle) / (self.edge - self.middle)
        beyond = 1.0 + (NOVEL - 1.0) * (distances - self.edge) / (self.far - self.edge)
        return np.maximum(np.where(distances < self.edge, within, beyond), 0.0).astype(np.float32)

    def nearest(self, features: Floats, count: int) -> list[tuple[int, float]]:
        """The training images most like the one of ``features``: (image id, distance; 1 is novelty's 1)."""
        distances = _distances(self.place(features[None]), self.points)[0]
        order = np.argsort(distances, kind="stable")[:count]
        return [(int(self.image_ids[index]), float(distances[index] / self.edge)) for index in order]

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return sum(np.asarray(getattr(self, one.name)).nbytes for one in fields(self))

    def save(self, path: Path) -> None:
        arrays = {one.name: np.asarray(getattr(self, one.name)) for one in fields(self)}
        write_arrays(path, arrays | {"points": self.points.astype(np.float16)})

    @classmethod
    def load(cls, path: Path) -> Reference:
        file = read_arrays(path)
        return cls(
            file["points"].astype(np.float32), file["image_ids"], float(file["middle"]), float(file["edge"]),
            float(file["far"]), file["axes"], file["origin"], file["drawn"], file["class_shares"],
        )  # fmt: skip


def fit_reference(
    features: Floats,
    image_ids: NDArray[np.int64],
    class_shares: Floats,
    *,
    maps: int | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Reference:
    """Summarise the training images.

    Args:
        features: ``[n, ...]``, n >= 2.
        image_ids: ``[n]``.
        class_shares: ``[k]``, sums to 1.
        maps: The last axis of what the features were before they were made one row; all where None.
        groups: ``[n]``: near-duplicates have one name, and one of them is kept: with pictures of one burst in the
            sample its images would lie nearer to each other than new ones do, and half of these would be novel.
        seed: Of the sample's draw.
    """
    rng = np.random.default_rng(seed)
    of_one = _of_one(features, maps or features.shape[1])
    singles = np.arange(len(features)) if groups is None else np.unique(groups, return_index=True)[1]
    singles = singles if len(singles) > 1 else np.arange(len(features))
    chosen = np.sort(rng.permutation(singles)[:SAMPLE])
    points = of_one[chosen].astype(np.float16).astype(np.float32)  # as they will be read
    middle, edge, far = _quantiles(points)
    axes, origin, drawn = _halved(of_one[rng.permutation(len(features))[:5000]])
    return Reference(
        points, image_ids[chosen].astype(np.int64), middle, edge, far, axes, origin, drawn,
        class_shares.astype(np.float32),
    )  # fmt: skip


def _of_one(features: Floats, maps: int) -> Floats:
    """``[n, places * maps] -> [n, maps]``, averaged over the places, of length 1."""
    if features.shape[1] > maps:
        features = features.reshape(len(features), -1, maps).mean(axis=1)
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features))[:, None]
    return features / np.maximum(lengths, np.float32(1e-12))  # what is all zero stays so


def _quantiles(points: Floats) -> tuple[float, float, float]:
    """``middle``, ``edge`` and ``far`` of a reference, by how far each of its points lies from the others."""
    gaps = _distances(points, points)
    np.fill_diagonal(gaps, np.inf)
    distances = _to_nearest(gaps, min(NEIGHBOURS, len(points) - 1)).astype(np.float64)
    middle, edge = np.quantile(distances, (0.5, 0.95), method="weibull").tolist()
    edge = max(edge, middle + 1e-6)  # of images that are all one picture
    return middle, edge, max(_hundredth(distances, middle + NOVEL * (edge - middle)), edge + 1e-6)


def _hundredth(distances: NDArray[np.float64], otherwise: float) -> float:
    """What one in a hundred lies beyond: by a generalised Pareto tail, whose two numbers come from probability-weighted
    moments. ``otherwise`` where the tail has too few.

    Some networks' tails are a normal distribution's, others' are much longer; of few images the hundredth part itself
    is the farthest one, and that is a matter of luck.
    """
    start = float(np.quantile(distances, 1.0 - TAIL, method="weibull"))
    excess = np.sort(distances[distances > start]) - start
    if len(excess) < LEAST_IN_TAIL:
        return otherwise
    mean = float(excess.mean())
    weighted = float((excess * (1.0 - (np.arange(len(excess)) + 0.65) / len(excess))).mean())
    shape = float(np.clip(2.0 - mean / max(mean - 2.0 * weighted, 1e-12), -0.5, 0.5))
    times = TAIL / 0.01
    grown = (times**shape - 1.0) / shape if abs(shape) > 1e-6 else float(np.log(times))
    return start + mean * (1.0 - shape) * grown


def _halved(of_one: Floats) -> tuple[Floats, Floats, Floats]:
    """``axes``, ``origin`` and ``drawn`` of a reference, from features ``[n, dim]`` of length 1 in no order."""
    givers, others = of_one[: len(of_one) // 2], of_one[len(of_one) // 2 :]
    directions = _principal(givers - givers.mean(axis=0, keepdims=True), DIMENSIONS)
    along = others @ directions
    axes = directions / np.maximum(along.std(axis=0), np.float32(1e-6))
    places = others @ axes
    origin = places.mean(axis=0, dtype=np.float64).astype(np.float32)
    return axes, origin, (places - origin)[:SAMPLE]


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
    """One minus the cosine, ``[n, dim] x [m, dim] -> [n, m]``, of rows of length 1."""
    return np.maximum(np.float32(1.0) - points @ others.T, np.float32(0.0))


def _to_nearest(gaps: Floats, count: int) -> Floats:
    """``[n, m] -> [n]``: the mean of the ``count`` least of each row, which it loses.

    Taking the least away a few times is eight times quicker here than a partition.
    """
    count, rows = min(count, gaps.shape[1]), np.arange(len(gaps))
    found = np.zeros(len(gaps), np.float32)
    for _ in range(count):
        at = gaps.argmin(axis=1)
        found += gaps[rows, at]
        gaps[rows, at] = np.inf
    return found / np.float32(count)
