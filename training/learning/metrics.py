"""How good a model is on pictures that it never saw, how sure that is, and whether it beats another one.

Intervals are percentile bootstraps over pictures (Efron and Tibshirani 1993, chapter 13); two models are compared on
the same resampled pictures (paired), which is what makes a small test set able to tell them apart. The seed is fixed,
so the same answers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.learning.calibrate import reliability

DRAWS = 1000
TAILS = (0.025, 0.975)  # of a 95 % interval


def evaluate(probabilities: np.ndarray, y: np.ndarray, categories: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """All figures of a model card, as plain JSON.

    Args:
        probabilities: ``[n, classes]``, calibrated.
        y: int ``[n]`` labels, or ``[n, classes]`` soft ones (their largest entry counts as the truth).
        categories: Names, in order.

    Returns:
        count, top1, top5, top1_error, top5_error, interval (of top1), loss, macro_f1, ece, reliability, confusion
        (rows: truth), per_class {name: precision, recall, f1, count}. Figures are None where there is nothing to count.
    """
    probabilities = np.asarray(probabilities, np.float64)
    labels = np.asarray(y) if np.ndim(y) == 1 else np.asarray(y).argmax(axis=1)
    n, k = len(labels), len(categories)
    if not n:
        return {"count": 0, "top1": None, "top5": None, "top1_error": None, "top5_error": None, "interval": None,
                "loss": None, "macro_f1": None, "ece": None, "reliability": [], "confusion": [[0] * k] * k,
                "per_class": {}}  # fmt: skip
    order = np.argsort(-probabilities, axis=1, kind="stable")
    right = order[:, 0] == labels
    in_five = (order[:, :5] == labels[:, None]).any(axis=1)
    confusion = np.zeros((k, k), int)
    np.add.at(confusion, (labels, order[:, 0]), 1)
    per_class = _per_class(confusion, categories)
    error, bars = reliability(probabilities, labels)
    picked = np.clip(probabilities[np.arange(n), labels], 1e-12, 1)
    seen = [row["f1"] for row in per_class.values() if row["count"]]
    return {
        "count": n,
        "top1": float(right.mean()),
        "top5": float(in_five.mean()),
        "top1_error": float(1 - right.mean()),
        "top5_error": float(1 - in_five.mean()),
        "interval": bootstrap(right, seed=seed),
        "loss": float(-np.log(picked).mean()),
        "macro_f1": float(np.mean(seen)),
        "ece": error,
        "reliability": bars,
        "confusion": confusion.tolist(),
        "per_class": per_class,
    }


def _per_class(confusion: np.ndarray, categories: Sequence[str]) -> dict[str, dict[str, Any]]:
    hits, said, true = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    rows = {}
    for index, name in enumerate(categories):
        precision = float(hits[index] / said[index]) if said[index] else 0.0
        recall = float(hits[index] / true[index]) if true[index] else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        rows[name] = {"precision": precision, "recall": recall, "f1": f1, "count": int(true[index])}
    return rows


def bootstrap(values: np.ndarray, *, seed: int = 0) -> list[float]:
    """[low, high] of the mean of ``values [n]`` by resampling; n 0/1 outcomes go by the binomial, which is the same."""
    values = np.asarray(values)
    rng = np.random.default_rng(seed)
    if values.dtype == bool:
        means = rng.binomial(len(values), values.mean(), DRAWS) / len(values)
    else:
        means = np.array([values[rng.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)])
    return [float(v) for v in np.quantile(means, TAILS)]


def compare(new: np.ndarray, old: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Is ``new`` better than ``old`` on the same pictures, beyond noise?

    Args:
        new, old: ``[n, classes]`` probabilities of two models for the same n pictures.
        labels: int ``[n]``.

    Returns:
        difference (of top-1 accuracy), interval (paired bootstrap), better and worse (the interval is wholly on one
        side of 0), wins and losses (pictures that only the one or only the other got right), count.
    """
    a, b = new.argmax(axis=1) == labels, old.argmax(axis=1) == labels
    gain = a.astype(int) - b.astype(int)
    n, wins, losses = len(gain), int((gain > 0).sum()), int((gain < 0).sum())
    if not n:
        return {"difference": 0.0, "interval": [0.0, 0.0], "better": False, "worse": False, "wins": 0, "losses": 0,
                "count": 0}  # fmt: skip
    # Resampling n pictures with replacement = a multinomial over (win, loss, tie).
    drawn = np.random.default_rng(seed).multinomial(n, [wins / n, losses / n, (n - wins - losses) / n], DRAWS)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, TAILS)
    return {
        "difference": float(gain.mean()), "interval": [float(low), float(high)], "better": bool(low > 0),
        "worse": bool(high < 0), "wins": wins, "losses": losses, "count": n,
    }  # fmt: skip
