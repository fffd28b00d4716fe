"""When a model may label by itself, and when it must pause or stop: binomial bounds, and a test for every answer.

Sources: Clopper & Pearson, The use of confidence or fiducial limits (Biometrika 26, 1934); Angelopoulos et al., Learn
then Test (2021), for a threshold that is chosen among many; Waudby-Smith & Ramdas, Estimating means of bounded random
variables by betting (JRSS B 86, 2024), and J. Ville (1939), for a test after each answer.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts come when they are first used, which web processes hardly do
from numpy.typing import NDArray

SURE = 0.95
FAULTS = np.geomspace(1.5, 10, 12)  # how far beyond the bound (in odds) the errors may be that a bet is laid on
DOUBT = 0.2


def least_held_out(bound: float) -> int:
    """So many images without an error show the bound."""
    return int(np.ceil(np.log1p(-SURE) / np.log1p(-bound)))


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
    least = least_held_out(bound)
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
    """Whether an audit with ``wrong`` of ``total`` shows that more than ``bound`` of the labels are wrong.

    It is asked after each answer. Of versions that keep the bound, however often they are looked at and however long it
    goes on, no more than one in twenty (1 - SURE) fails: what a bet against the bound has won, its stake laid on
    FAULTS in equal parts, comes to 1 / (1 - SURE) times the stake that seldom.
    """
    odds = bound / (1 - bound) * FAULTS
    won = wrong * np.log(odds / (1 + odds) / bound) - (total - wrong) * np.log((1 + odds) * (1 - bound))
    return bool(np.logaddexp.reduce(won) - np.log(len(FAULTS)) >= -np.log1p(-SURE))


def is_doubtful(wrong: int, total: int, bound: float, doubt: float = DOUBT) -> bool:
    """Whether one look at the audit would see so many wrong by chance less often than ``doubt``, were the bound kept.

    Asked after each answer this is often so without need. It costs a few answers: while it is so nothing is labeled.
    """
    # P(X >= wrong) of a binomial. Its functions come from scipy.special: scipy.stats costs every web process 60 MB.
    return wrong > 0 and bool(scipy.special.betainc(wrong, total - wrong + 1, bound) < doubt)
