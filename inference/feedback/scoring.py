"""Which images the crowd should see next: pure, vectorised, a million images in seconds.

Each image gets a value: how unsure the version is plus how far out of the training images it lies. Of the most valuable
ones those are taken first that differ from each other (farthest-first traversal), because the ten most uncertain images
are often ten times the same one. A fixed share of the places goes to images drawn at random: without it the training
set drifts onto what the model believes.

Source: Settles (2009); Sener & Savarese, Active Learning for CNNs: A Core-Set Approach (ICLR 2018); Zooniverse's 20 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.feedback.uncertainty import uncertainty

CANDIDATES = 4  # the diverse ones are chosen among so many times as many
MOST_CHOSEN = 2_000  # of a pool, at most
UNCERTAIN, NOVEL, RANDOM = 0, 1, 2


@dataclass(frozen=True)
class Scores:
    """What a version says of ``n`` images."""

    category: NDArray[np.int32]  # [n] index of the best
    probability: NDArray[np.float32]  # [n] of the best
    uncertainty: NDArray[np.float32]  # [n]
    novelty: NDArray[np.float32]  # [n], 1 = one training image in twenty is as far out

    def __len__(self) -> int:
        return len(self.category)

    @property
    def value(self) -> NDArray[np.float32]:
        """What a label would be worth, ``[n]`` in [0, 1]: uncertainty, plus how far beyond the training images."""
        return ((self.uncertainty + np.clip(self.novelty - 1.0, 0.0, 1.0)) / 2.0).astype(np.float32)


@dataclass(frozen=True)
class Choice:
    """The next images, best first: ``index`` into the scores, ``priority`` in (1, 2], ``reason`` one of the three."""

    index: NDArray[np.int64]
    priority: NDArray[np.float32]
    reason: NDArray[np.int8]


def score(probabilities: NDArray[np.floating], novelty: NDArray[np.floating]) -> Scores:
    """From ``[n, k]`` probabilities and ``[n]`` novelty."""
    best = probabilities.argmax(axis=1)
    return Scores(
        best.astype(np.int32),
        probabilities[np.arange(len(best)), best].astype(np.float32),
        uncertainty(probabilities).astype(np.float32),
        novelty.astype(np.float32),
    )


def joined(parts: list[Scores]) -> Scores:
    names = ("category", "probability", "uncertainty", "novelty")
    return Scores(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def choose(
    scores: Scores,
    points_of: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    *,
    count: int,
    random_share: float,
    seed: int,
) -> Choice:
    """Pick the next ``count`` images.

    Args:
        scores: Of the whole pool, ``n``.
        points_of: Indices ``[m] -> [m, d]`` where images that look alike lie together (a projection of the features);
            asked for a few candidates only, so that a million features need not be in memory.
        count: At most so many are chosen.
        random_share: Of them, so many are drawn at random; they are spread evenly over the order.
        seed: Of the draw.
    """
    count = min(count, len(scores))
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(scores))[: round(count * random_share)].astype(np.int64)
    value = scores.value
    value[drawn] = -1.0
    wanted = count - len(drawn)
    candidates = _largest(value, wanted * CANDIDATES)
    candidates = candidates[value[candidates] >= 0]
    picked = candidates[farthest_first(points_of(candidates), value[candidates], wanted)] if wanted else candidates[:0]
    index = _interleaved(picked, drawn)
    reason = np.where(scores.novelty[index] > 1.0 + scores.uncertainty[index], NOVEL, UNCERTAIN)
    reason = np.where(np.isin(index, drawn), RANDOM, reason).astype(np.int8)
    ranks = np.arange(len(index), dtype=np.float32)
    return Choice(index, (2.0 - ranks / max(len(index), 1)).astype(np.float32), reason)


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Indices of the ``count`` largest, in no order."""
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(-values, count)[:count]


def farthest_first(points: NDArray[np.float32], value: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Order: the most valuable, then each time the one with the largest value x distance to those chosen already."""
    count = min(count, len(points))
    if count == 0:
        return np.empty(0, np.int64)
    order = np.empty(count, np.int64)
    order[0] = int(value.argmax())
    nearest = np.full(len(points), np.inf, np.float32)
    squares = (points**2).sum(axis=1)
    taken = np.zeros(len(points), bool)
    for place in range(count):
        if place:
            gain = (value + 1e-6) * np.sqrt(np.maximum(nearest, 0.0))
            gain[taken] = -1.0
            order[place] = int(gain.argmax())
        last = order[place]
        taken[last] = True
        distance = squares + squares[last] - 2.0 * (points @ points[last])
        np.minimum(nearest, distance, out=nearest)
    return order


def _interleaved(picked: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Both orders in one, the drawn ones spread evenly."""
    total = len(picked) + len(drawn)
    places = np.linspace(0, total, len(drawn), endpoint=False) + total / max(len(drawn), 1) / 2
    mask = np.zeros(total, bool)
    mask[np.minimum(places.astype(int), total - 1)] = True
    index = np.empty(total, np.int64)
    index[mask], index[~mask] = drawn, picked
    return index
