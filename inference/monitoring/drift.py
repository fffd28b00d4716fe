"""Have the requests moved away from what the version was trained on?

Three figures. The Fréchet distance between the projected features of the requests and those of training images that had
no part in finding the projection (which makes the latter a standard normal in its first two moments), the share of the
requests that are novel, and the population stability index of the predicted classes. A distance is judged against what
two samples of one kind, as many as there are of each, reach by chance; and so is the share, which finds a minority of
strangers that moves no mean.

Source: Heusel et al. (2017) for the distance of Gaussians; Efron & Tibshirani, An Introduction to the Bootstrap (1993),
chapter 16, for two samples; Skellam, A Probability Distribution Derived from the Binomial (1948), for a share that is
not quite known; Yurdakul, Statistical Properties of PSI (2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy  # its parts come when they are first used, which web processes hardly do
from numpy.typing import NDArray

DIMENSIONS = 16
PSI_ALARM = 0.25  # the field's usual mark for a population that has changed
FAR = 1.5  # times the distance that chance reaches: beyond it the images are others
DRAWS = 200  # that show what chance reaches
MOST_DRAWN = 2000  # images of one draw, however many were asked about
LEAST = 50  # images under which no alarm is given
EXPECTED = 0.01  # of new images of the known kind are novel
BY_CHANCE = 0.001  # of days without a stranger have more novel images than the alarm waits for


@dataclass
class Moments:
    """Running sums of projected features, and how many are novel: they add up over processes and days.

    Of very many only some are looked at for novelty, which costs more.
    """

    count: int = 0
    looked: int = 0
    novel: int = 0  # of those that were looked at
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(DIMENSIONS))
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros((DIMENSIONS, DIMENSIONS)))

    def add(self, points: NDArray[np.floating]) -> None:
        """``[n, >= 1]``; the first DIMENSIONS columns count, missing ones are zero."""
        x = np.zeros((len(points), DIMENSIONS))
        x[:, : min(points.shape[1], DIMENSIONS)] = points[:, :DIMENSIONS]
        self.count += len(x)
        self.sums += x.sum(axis=0)
        self.products += x.T @ x

    def merge(self, other: Moments) -> None:
        self.count += other.count
        self.looked += other.looked
        self.novel += other.novel
        self.sums = self.sums + other.sums
        self.products = self.products + other.products

    def as_json(self) -> dict[str, object]:
        upper = self.products[np.triu_indices(DIMENSIONS)]
        counts = {"count": self.count, "looked": self.looked, "novel": self.novel}
        return counts | {"sums": _rounded(self.sums), "products": _rounded(upper)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Moments:
        if not data:
            return cls()
        products = np.zeros((DIMENSIONS, DIMENSIONS))
        products[np.triu_indices(DIMENSIONS)] = np.asarray(data["products"], np.float64)
        products = products + np.triu(products, 1).T
        looked, novel = int(data.get("looked", 0)), int(data.get("novel", 0))  # rows of older releases have none
        return cls(int(data["count"]), looked, novel, np.asarray(data["sums"], np.float64), products)


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def distance(one: Moments, other: Moments) -> float:
    """Fréchet distance of the two Gaussians, >= 0.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``; covariances are shrunk towards the identity by a few images' worth
    so that short windows have one.
    """
    mean1, cov1 = _gaussian(one)
    mean2, cov2 = _gaussian(other)
    root = _root(cov1)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov2 @ root), 0.0)).sum()
    return float(max(((mean1 - mean2) ** 2).sum() + np.trace(cov1) + np.trace(cov2) - 2.0 * cross, 0.0))


def _gaussian(moments: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    prior = DIMENSIONS
    n = max(moments.count, 1)
    mean = moments.sums / n
    scatter = moments.products - n * np.outer(mean, mean)
    return mean, (scatter + prior * np.eye(DIMENSIONS)) / (n + prior)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def chance_limit(points: NDArray[np.floating], count: int) -> float:
    """The distance that ``count`` more images of the training images' kind stay below 99 times in 100.

    A bootstrap of both samples, for the training images are one, too: of few of them the moments err as those of few
    requests do.

    Args:
        points: ``[m, d]`` projected training images that did not give the axes.
        count: How many requests the window has.
    """
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(DRAWS):
        training, requests = Moments(), Moments()
        training.add(points[rng.integers(0, len(points), len(points))])
        requests.add(points[rng.integers(0, len(points), min(count, MOST_DRAWN))])
        reached.append(distance(requests, training))
    return float(np.quantile(reached, 0.99))


def novel_limit(known: int, images: int) -> float:
    """The share of novel images that ``images`` more of the training images' kind hardly ever exceed.

    Beyond the threshold lies one in a hundred as far as ``known`` training images can tell: of few of them it may well
    be three. So the number is beta-binomial, with what is known of the share by Jeffreys' prior.
    """
    n = min(max(images, 1), MOST_DRAWN)
    a, b = known * EXPECTED + 0.5, known * (1 - EXPECTED) + 0.5
    k = np.arange(n + 1)
    ways = -np.log(n + 1) - scipy.special.betaln(n - k + 1, k + 1)
    chances = np.exp(ways + scipy.special.betaln(k + a, n - k + b) - scipy.special.betaln(a, b))
    return float(np.searchsorted(np.cumsum(chances), 1 - BY_CHANCE)) / n


def psi(expected: Sequence[float], counts: Sequence[float]) -> float:
    """Population stability index of class shares: 0 the same, 0.1 a little, above 0.25 changed.

    Half an image is added to every class, so that an empty one costs a finite amount.
    """
    p = np.asarray(expected, np.float64)
    q = np.asarray(counts, np.float64)
    p = (p + 1e-3) / (p + 1e-3).sum()
    q = (q + 0.5) / (q + 0.5).sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_alarm(classes: int, images: int) -> float:
    """The index beyond which the shares of the classes have changed: PSI_ALARM, or what so few images reach by chance.

    Where nothing has moved, ``images`` times the index is about chi-squared with ``classes - 1`` degrees of freedom
    (Yurdakul 2018, with shares that are known): of 50 images and ten classes one day in seven would be beyond 0.25.
    """
    return max(PSI_ALARM, float(scipy.special.chdtri(max(classes - 1, 1), 0.01)) / max(images, 1))
