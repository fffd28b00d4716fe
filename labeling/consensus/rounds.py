"""How many rounds of the three stages are ahead, while nobody knows how many objects the images show. Pure.

Each round adds a box at most, so an image takes about as many rounds as it shows objects, and what is known of one that
is not covered yet is that it takes more than it has had. A life table tells with which chance an image is covered in
each round that some have come to. Beyond it, and where few have, the numbers of objects are taken to spread like a
negative binomial, whose mean and shape are drawn by how well they tell of what was seen; and so is each round's chance,
about that. Of many such draws the middle one is what is likely, and the outer ones say how sure that is.

Source: N. L. Hjort, "Nonparametric Bayes estimators based on beta processes in models for life history data", Annals of
Statistics 18 (1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import scipy  # its parts come when they are first used, which web processes hardly do

from labeling.aggregation.votes import Floats
from labeling.consensus.stopping import OWN_SHARE

MEANS = np.geomspace(0.05, 60, 48)  # of objects beyond the first
SHAPES = np.array([0.5, 1, 2, 4, 8, 16, 64, 256])  # 1 is the geometric distribution; the last is nearly Poisson's
DRAWS = 400
LOW, HIGH = 0.1, 0.9


class Rounds(NamedTuple):
    """Rounds ahead: as likely fewer come as more do, and in four cases of five so many as ``low`` to ``high``."""

    likely: float
    low: float
    high: float


def forecast(*, covered: Sequence[int], waiting: Sequence[int], most: int) -> Rounds:
    """The rounds that the waiting images will still take together.

    Args:
        covered: [rounds] so many images were covered after so many rounds, at least one.
        waiting: [rounds] so many images are not covered, and have so many rounds behind them.
        most: Rounds after which an image is given up.
    """
    done, here = (np.pad(np.asarray(row, np.float64), (0, most + 1))[: most + 1] for row in (covered, waiting))
    here[most] = 0
    least = float(here.sum())
    if not least:
        return Rounds(0.0, 0.0, 0.0)
    # Of each round: how many images came to its end, and how many of those were covered then.
    seen = (done + here)[::-1].cumsum()[::-1][1:most]
    ended = done[1:most]
    chance, prior = _chances(most)
    betaln = scipy.special.betaln
    ends, goes_on = OWN_SHARE * chance, OWN_SHARE * (1 - chance)
    told = (betaln(ends + ended, goes_on + seen - ended) - betaln(ends, goes_on)).sum(axis=1)
    weight = prior * np.exp(told - told.max())
    dice = np.random.default_rng(0)  # the same of the same
    pairs = dice.choice(len(weight), DRAWS, p=weight / weight.sum())
    drawn = dice.beta(ends[pairs] + ended, goes_on[pairs] + seen - ended)
    ahead = np.zeros((DRAWS, most + 1))
    for behind in range(most - 1, -1, -1):
        stays = 1 - drawn[:, behind] if behind < most - 1 else 0.0
        ahead[:, behind] = 1 + stays * ahead[:, behind + 1]
    low, likely, high = np.quantile(ahead @ here, (LOW, 0.5, HIGH))
    return Rounds(max(float(likely), least), max(float(low), least), max(float(high), least))


@cache
def _chances(most: int) -> tuple[Floats, Floats]:
    """[pair of mean and shape, round but the last] the chance that an image is covered in it when it was not before;
    [pair] how likely it is before anything is seen: twice as many objects half as likely.
    """
    mean, shape = (grid.reshape(-1, 1) for grid in np.meshgrid(MEANS, SHAPES))
    extra = np.arange(most - 1)
    gammaln = scipy.special.gammaln
    ways = gammaln(extra + shape) - gammaln(shape) - gammaln(extra + 1)
    share = np.exp(ways + shape * np.log(shape / (shape + mean)) + extra * np.log(mean / (shape + mean)))
    left = np.maximum(1 - np.pad(share.cumsum(axis=1)[:, :-1], ((0, 0), (1, 0))), 1e-12)
    return np.clip(share / left, 1e-4, 1 - 1e-4), (1 / (1 + mean)).ravel()
