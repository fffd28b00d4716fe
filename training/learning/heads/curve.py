"""What more labels would bring: the error on held-out pictures of heads that learned an eighth, a quarter, half, all.

Errors of learners fall as a power of the number of examples until they reach a floor (Cortes et al. 1994; Hestness et
al. 2017, arXiv:1712.00409). Four points do not show where that is, so the look ahead goes no further than twice the
pictures, and falls by the slope of all points or of the last doubling, whichever is flatter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labeling.text.words import gettext as _
from training.learning.heads.head import HeadOptions, Progress, fit_head
from training.learning.metrics import DRAWS, TAILS
from training.learning.rows import Rows
from training.learning.split import stratified

PARTS = (1, 2, 4, 8)  # eighths of the pictures
DRAWINGS = 4
LEAST_PER_CATEGORY, LEAST_HELD_OUT = 16, 20  # below them the points say nothing
WORTH_IT = 0.005  # a smaller gain of twice the labels is little, however sure
LITTLE = 0.01  # what cannot be more than this is little, too


def too_little(counts: Mapping[str, int], held_out: int) -> str:
    """Why no curve can be drawn, "" where one can.

    Args:
        counts: Pictures learned of each category.
        held_out: Pictures to measure on.
    """
    learned, least = sum(counts.values()), LEAST_PER_CATEGORY * len(counts)
    if learned < least or held_out < LEAST_HELD_OUT:
        told = _(
            "That can be told from %(least)s learned images (%(each)s for each category) and %(held)s held-out ones on;"
            " here are %(learned)s and %(held_out)s. Let the crowd label more: a later version will tell."
        )
        return told % {"least": least, "each": LEAST_PER_CATEGORY, "held": LEAST_HELD_OUT, "learned": learned,
                       "held_out": held_out}  # fmt: skip
    if sum(count >= PARTS[-1] for count in counts.values()) < 2:
        told = _(
            "That can be told where at least two categories have %(least)s learned images or more: only then does an"
            " eighth of the images show both. Let the crowd label more of the rare ones: a later version will tell."
        )
        return told % {"least": PARTS[-1]}
    return ""


def learning_curve(
    x: Rows, y: np.ndarray, weights: np.ndarray, held_out: np.ndarray, labels: np.ndarray, *,
    categories: Sequence[str], options: HeadOptions, groups: np.ndarray | None = None, seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any] | None:  # fmt: skip
    """The points and what follows of them, as ``look_ahead`` returns it; None where there are too few pictures.

    Args:
        x, y, weights, categories, options, progress: As for ``fit_head``, which is run 13 times; the strength is given.
        groups: int ``[n]``: near-duplicates have one number and come together, where there are enough of them for each
            eighth to show two categories.
        held_out, labels: float32 ``[m, dim]`` features that no head has learned, and int ``[m]`` what they are.
        seed: Of the drawings, each of which adds to its eighth until it is all.
    """
    rng, given = np.random.default_rng(seed), np.asarray(y).argmax(axis=1)
    there = Counter(given.tolist())
    if too_little({name: there[place] for place, name in enumerate(categories)}, len(labels)):
        return None
    if groups is not None:
        different = Counter(given[np.unique(groups, return_index=True)[1]].tolist())
        groups = groups if sum(count >= PARTS[-1] for count in different.values()) >= 2 else None
    wrong = np.empty((len(PARTS), DRAWINGS, len(labels)), bool)
    counts = np.zeros(len(PARTS))
    for drawing in range(DRAWINGS):
        eighth = stratified(given, PARTS[-1], rng, groups)
        for place, part in enumerate(PARTS):
            if drawing and part == PARTS[-1]:  # all are all
                wrong[place, drawing] = wrong[place, 0]
                continue
            mine = np.flatnonzero(eighth < part)
            counts[place] += len(mine) / (1 if part == PARTS[-1] else DRAWINGS)
            head, _ = fit_head(
                x[mine], y[mine], weights[mine], categories=categories, options=options, seed=seed,
                progress=progress,
            )  # fmt: skip
            wrong[place, drawing] = head.logits(held_out).argmax(axis=1) != labels
    return look_ahead([round(count) for count in counts], wrong, seed=seed)


def look_ahead(counts: Sequence[int], wrong: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """The curve's points, and whether twice the pictures would probably bring a lower error.

    Args:
        counts: How many pictures were learned, rising, each about twice the one before.
        wrong: bool ``[len(counts), drawings, m]`` which of m held-out pictures were answered wrongly.

    Returns:
        points [{images, error, interval}], twice {images, error, interval}, and ``verdict``: ``better``, ``little`` or
        ``unknown``. Intervals of 95 % are over the held-out pictures and the drawings (bootstrap, the same pictures for
        all points), as far as the curve goes on as it did.
    """
    sizes, drawings, n = wrong.shape
    rng = np.random.default_rng(seed)
    picked = rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n
    errors = (picked @ wrong.reshape(-1, n).T).reshape(DRAWS, sizes, drawings)
    which = rng.integers(0, drawings, (DRAWS, sizes, drawings))
    drawn = np.take_along_axis(errors, which, axis=2).mean(axis=2)
    found = wrong.mean(axis=(1, 2))
    now, then = found[-1], _doubled(counts, found[None], n)[0]
    later = _doubled(counts, drawn, n)
    gains = drawn[:, -1] - later
    low, high = np.quantile(gains, TAILS)
    verdict = "unknown"
    if low > 0 and now - then >= WORTH_IT:
        verdict = "better"
    elif max(high, now - then) < LITTLE or (low > 0 and now - then < WORTH_IT):
        verdict = "little"
    return {
        "points": [
            {"images": int(count), "error": float(error), "interval": _interval(column)}
            for count, error, column in zip(counts, found, drawn.T, strict=True)
        ],
        "twice": {"images": 2 * int(counts[-1]), "error": float(then), "interval": _interval(later)},
        "verdict": verdict,
    }


def _doubled(counts: Sequence[int], errors: np.ndarray, n: int) -> np.ndarray:
    """``[k, sizes]`` errors on n pictures -> ``[k]`` at twice the last size, by the flatter of the two slopes."""
    logs, sizes = np.log2(np.maximum(errors, 0.5 / n)), np.log2(counts)
    away = sizes - sizes.mean()
    overall = logs @ away / (away @ away)
    last = (logs[:, -1] - logs[:, -2]) / (sizes[-1] - sizes[-2])
    return errors[:, -1] * 2 ** np.maximum(overall, last)


def _interval(values: np.ndarray) -> list[float]:
    return [float(v) for v in np.clip(np.quantile(values, TAILS), 0, 1)]
