"""When a model may label by itself, and when it must stop: exact binomial bounds.

Sources: Clopper & Pearson, The use of confidence or fiducial limits (Biometrika 26, 1934); Angelopoulos et al., Learn
then Test (2021), for a threshold that is chosen among many.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts come when they are first used, which web processes hardly do
from numpy.typing import NDArray

SURE = 0.95


def threshold(probability: NDArray[np.floating], is_correct: NDArray[np.bool_], bound: float) -> float | None:
    """The lowest probability from which the model's labels stay within the error bound, as sure as SURE.

    Taking the lowest of all thresholds whose own bound holds would break the promise two or three times as often as
    it says: among many some look good by chance. So the surest half, quarter, … are looked at, each with its part of
    the doubt, and each that holds is widened image by image up to the first whose bound does not.

    Args:
        probability: ``[n]`` of the predicted class, on images that the model has not seen.
        is_correct: ``[n]``.
        bound: Share of wrong labels that is allowed, in (0, 1).

    Returns:
        None where no threshold keeps the bound: too few images, or too many errors among the surest.
    """
    least = int(np.ceil(np.log1p(-SURE) / np.log1p(-bound)))  # so many without an error show the bound
    if len(probability) < least:
        return None
    starts = [len(probability) >> halvings for halvings in range(1, 32) if len(probability) >> halvings >= least]
    starts = starts or [least]
    confidence = 1 - (1 - SURE) / len(starts)
    order = np.argsort(-np.asarray(probability), kind="stable")
    wrong = np.cumsum(~np.asarray(is_correct, bool)[order])
    total = np.arange(1, len(order) + 1)
    with np.errstate(invalid="ignore"):
        limits = np.where(
            wrong < total, scipy.special.betaincinv(wrong + 1, np.maximum(total - wrong, 1), confidence), 1.0
        )
    sorted_probability = np.asarray(probability)[order]
    # A threshold takes all images of one value or none.
    is_last = np.ones(len(order), bool)
    is_last[:-1] = sorted_probability[1:] < sorted_probability[:-1]
    ends = np.flatnonzero(is_last)
    bad = np.append(np.flatnonzero(limits[ends] > bound), len(ends))
    firsts = np.searchsorted(ends, np.array(starts) - 1)
    stops = bad[np.searchsorted(bad, firsts)]
    reached = stops[stops > firsts]
    return float(sorted_probability[ends[reached.max() - 1]]) if len(reached) else None


def has_failed(wrong: int, total: int, bound: float) -> bool:
    """Whether an audit with ``wrong`` of ``total`` shows that more than ``bound`` of the labels are wrong (5 %).

    It is asked after each answer, and so stops more often without need than one look would: of versions that are wrong
    exactly as often as is allowed one in four within a thousand answers, of those at three quarters of it one in ten.
    That costs the crowd some work. A rule that holds 5 % over all looks together would see a version that is wrong five
    times as often as is allowed after two or three times as many answers, each of which stands for twenty labels.
    """
    # P(X >= wrong) of a binomial. Its functions come from scipy.special: scipy.stats costs every web process 60 MB.
    return wrong > 0 and bool(scipy.special.betainc(wrong, total - wrong + 1, bound) < 1 - SURE)
