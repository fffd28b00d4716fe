"""How good a model is on pictures that it never saw, how sure that is, and whether it beats another one.

The interval of an accuracy, as of each other share, is Wilson's (JASA 1927): a bootstrap of pictures that are all
answered rightly knows no other answers, and says 100 % to 100 % of five. Two models are compared by a percentile
bootstrap over pictures (Efron and Tibshirani 1993, chapter 13), the same ones for both (paired), which is what makes a
small test set able to tell them apart; of few pictures its tails are as far out as Student's are (Hesterberg, The
American Statistician 69, 2015).
Near-duplicates are answered alike, so they are drawn together and count as one picture that is looked at several times.
The seed is fixed, so the same answers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from training.learning.calibrate import by_chance, reliability

DRAWS = 1000
TAILS = (0.025, 0.975)  # of a 95 % interval
# Of more categories the confusion is left out: it is mostly zeros, and of 5,000 more than the database takes in a row.
MOST_CONFUSED = 1_000


def evaluate(
    probabilities: np.ndarray, y: np.ndarray, categories: Sequence[str], *, groups: np.ndarray | None = None
) -> dict[str, Any]:
    """All figures of a model card, as plain JSON.

    Args:
        probabilities: ``[n, classes]``, calibrated.
        y: int ``[n]`` labels, or ``[n, classes]`` soft ones (their largest entry counts as the truth).
        categories: Names, in order.
        groups: int ``[n]``: near-duplicates have one number. None = no picture is like another.

    Returns:
        count, top1, top5, top1_error, top5_error, interval (of top1), top5_interval, loss, macro_f1, macro_f1_interval,
        ece, ece_by_chance (``calibrate.by_chance``), reliability, confusion (rows: truth; empty above MOST_CONFUSED
        categories), per_class {name: precision, recall, f1, each with its interval, count}. Figures are None where
        there is nothing to count.
    """
    probabilities = np.asarray(probabilities, np.float64)
    labels = np.asarray(y) if np.ndim(y) == 1 else np.asarray(y).argmax(axis=1)
    n, k = len(labels), len(categories)
    if not n:
        return {"count": 0, "top1": None, "top5": None, "top1_error": None, "top5_error": None, "interval": None,
                "top5_interval": None, "loss": None, "macro_f1": None, "macro_f1_interval": None, "ece": None,
                "ece_by_chance": None, "reliability": [], "confusion": [], "per_class": {}}  # fmt: skip
    order = np.argsort(-probabilities, axis=1, kind="stable")
    right = order[:, 0] == labels
    in_five = (order[:, :5] == labels[:, None]).any(axis=1)
    per_class = _per_class(labels, order[:, 0], categories, groups)
    error, bars = reliability(probabilities, labels)
    picked = np.clip(probabilities[np.arange(n), labels], 1e-12, 1)
    macro, macro_interval = _macro([row for row in per_class.values() if row["count"]])
    return {
        "count": n,
        "top1": float(right.mean()),
        "top5": float(in_five.mean()),
        "top1_error": float(1 - right.mean()),
        "top5_error": float(1 - in_five.mean()),
        "interval": interval(right, groups),
        "top5_interval": interval(in_five, groups),
        "loss": float(-np.log(picked).mean()),
        "macro_f1": macro,
        "macro_f1_interval": macro_interval,
        "ece": error,
        "ece_by_chance": by_chance(probabilities.max(axis=1), groups),
        "reliability": bars,
        "confusion": _confusion(labels, order[:, 0], k) if k <= MOST_CONFUSED else [],
        "per_class": per_class,
    }


def _confusion(labels: np.ndarray, said: np.ndarray, k: int) -> list[list[int]]:
    cells = np.zeros((k, k), int)
    np.add.at(cells, (labels, said), 1)
    return cells.tolist()


def _per_class(
    labels: np.ndarray, said: np.ndarray, categories: Sequence[str], groups: np.ndarray | None
) -> dict[str, dict[str, Any]]:
    """F1 grows with the share of hits among the pictures that show the category or were given it: that share's interval
    is F1's."""
    rows = {}
    for index, name in enumerate(categories):
        shows, given = labels == index, said == index
        row: dict[str, Any] = {}
        for figure, of in (("precision", given), ("recall", shows), ("f1", shows | given)):
            hits = (shows & given)[of]
            shares = [0.0]
            if len(hits):
                shares = [float(hits.mean()), *interval(hits, None if groups is None else groups[of])]
            if figure == "f1":
                shares = [2 * share / (1 + share) for share in shares]
            row |= {figure: shares[0], f"{figure}_interval": shares[1:] or None}
        rows[name] = {**row, "count": int(shows.sum())}
    return rows


def _macro(rows: Sequence[dict[str, Any]]) -> tuple[float, list[float]]:
    """The mean F1 of categories and its interval, by how far theirs reach (Zou and Donner, Statistics in Medicine 27,
    2008). Each error counts in two categories, whose F1 it lowers together: hence twice the squares."""
    ends = np.array([[row["f1"], *row["f1_interval"]] for row in rows])
    mean = float(ends[:, 0].mean())
    low, high = np.sqrt(2 * np.square(ends[:, 1:] - ends[:, :1]).sum(axis=0)) / len(rows)
    return mean, [max(mean - float(low), 0.0), min(mean + float(high), 1.0)]


def interval(right: np.ndarray, groups: np.ndarray | None = None) -> list[float]:
    """[low, high] of the share of bool ``[n]`` that is true: Wilson's score interval of 95 %.

    Args:
        groups: int ``[n]``, as for ``bootstrap``. Of clusters the interval is that of so many single pictures as would
            vary as much (Korn and Graubard, Survey Methodology 24, 1998).
    """
    right = np.asarray(right)
    n, share = len(right), float(right.mean())
    count = float(n)
    if groups is not None:
        _, group = np.unique(groups, return_inverse=True)
        off = np.bincount(group, right - share)
        clusters = len(off)
        spread = float(off @ off) * clusters / max(clusters - 1, 1) / n**2  # the variance of the mean
        told = spread > 1e-20  # below is rounding: all are right or wrong, or each cluster is as often right as all
        count = min(count, share * (1 - share) / spread) if told else float(clusters)
    z = NormalDist().inv_cdf(TAILS[1])
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * float(np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)))
    return [max(middle - half, 0.0), min(middle + half, 1.0)]


def bootstrap(
    values: np.ndarray, weights: np.ndarray | None = None, groups: np.ndarray | None = None, *, seed: int = 0
) -> list[float]:
    """[low, high] of the weighted mean of ``values [n]`` by resampling pictures.

    Args:
        weights: ``[n]``, > 0; None = alike.
        groups: int ``[n]``: near-duplicates have one number and are drawn together; None = each by itself.
    """
    values = np.asarray(values, np.float64)
    weights = np.ones(len(values)) if weights is None else weights
    if groups is not None:
        _, group = np.unique(groups, return_inverse=True)
        totals = np.bincount(group, weights)
        values, weights = np.bincount(group, weights * values) / totals, totals
    rng, n, mass = np.random.default_rng(seed), len(values), weights * values
    means, at_once = np.empty(DRAWS), 2**18 // max(n, 1) + 1
    for start in range(0, DRAWS, at_once):
        picked = rng.integers(0, n, (min(at_once, DRAWS - start), n))
        means[start : start + at_once] = mass[picked].sum(axis=1) / weights[picked].sum(axis=1)
    tail = _tail(n)
    return [float(v) for v in np.quantile(means, (tail, 1 - tail))]


def _tail(n: int) -> float:
    """What lies beyond each end of an interval of 95 % over n resampled values: 0.025 for many, less for few."""
    if n < 2:
        return 0.0
    z, left = NormalDist().inv_cdf(TAILS[1]), n - 1
    # Student's t by its expansion in 1 / degrees of freedom (Abramowitz and Stegun 26.7.5).
    t = z + (z**3 + z) / (4 * left) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * left**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * left**3)
    return NormalDist().cdf(-t * float(np.sqrt(n / left)))
