"""When a model may label by itself, and when it must stop: exact binomial bounds, no more.

Source: Clopper & Pearson, The use of confidence or fiducial limits (Biometrika 26, 1934).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv

SURE = 0.95


def upper_bound(wrong: int, total: int, confidence: float = SURE) -> float:
    """The error rate that is not exceeded with this confidence after ``wrong`` of ``total``; 1 without any."""
    if total == 0 or wrong >= total:
        return 1.0
    return float(betaincinv(wrong + 1, total - wrong, confidence))


def threshold(
    probability: NDArray[np.floating], is_correct: NDArray[np.bool_], bound: float, confidence: float = SURE
) -> float | None:
    """The lowest probability from which the model's labels stay within the error bound.

    Args:
        probability: ``[n]`` of the predicted class, on images that the model has not seen.
        is_correct: ``[n]``.
        bound: Share of wrong labels that is allowed, in (0, 1).
        confidence: Of the bound.

    Returns:
        None where no threshold keeps the bound: too few images, or too many errors among the surest.
    """
    order = np.argsort(-np.asarray(probability), kind="stable")
    wrong = np.cumsum(~np.asarray(is_correct, bool)[order])
    total = np.arange(1, len(order) + 1)
    with np.errstate(invalid="ignore"):
        limits = np.where(wrong < total, betaincinv(wrong + 1, np.maximum(total - wrong, 1), confidence), 1.0)
    sorted_probability = np.asarray(probability)[order]
    # A threshold takes all images of one value or none.
    is_last = np.ones(len(order), bool)
    is_last[:-1] = sorted_probability[1:] < sorted_probability[:-1]
    good = np.flatnonzero((limits <= bound) & is_last)
    return float(sorted_probability[good[-1]]) if len(good) else None


def has_failed(wrong: int, total: int, bound: float) -> bool:
    """Whether an audit with ``wrong`` of ``total`` shows that more than ``bound`` of the labels are wrong (5 %)."""
    # P(X >= wrong) of a binomial. Its functions come from scipy.special: scipy.stats costs every web process 60 MB.
    return wrong > 0 and bool(betainc(wrong, total - wrong + 1, bound) < 1 - SURE)
