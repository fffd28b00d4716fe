"""Marginal likelihoods on grids, of the hyper-parameters that have no exact conditional (``hierarchy.py``).

Each function gives a log likelihood for each point of its grid, the parameters below it integrated out.

Source: the beta-binomial and the Dirichlet-multinomial, T. Minka, "Estimating a Dirichlet distribution" (2000).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy  # its parts come when they are first used, which web processes hardly do

from labeling.aggregation.votes import Floats

STRENGTHS = np.array([0.5, 1.0, 2, 4, 7, 12, 20, 35, 60, 100, 200, 500, 2000])
SPREADS = np.array([0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
EVENNESS = np.array([0.3, 1, 3, 10, 30, 100, 300, 1000, 1e4])
SHARES = np.array([0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45])
SIZES = np.array([0.5, 1, 2, 5, 20])
PART = 10_000  # numbers at once
HABITS = np.stack([np.outer(SHARES, SIZES).reshape(-1), np.outer(1 - SHARES, SIZES).reshape(-1)], axis=1)  # of a Beta


def of_habits(times: Floats, said: Floats) -> Floats:
    """[HABITS]: ``times`` of what each worker ``said`` came from habit."""
    gammaln = scipy.special.gammaln
    one, other = HABITS[:, :1], HABITS[:, 1:]
    fits = gammaln(one + other) - gammaln(one + other + said) + gammaln(one + times) - gammaln(one)
    fits += gammaln(other + said - times) - gammaln(other)
    return np.asarray(fits.sum(axis=1), np.float64)


def of_spreads(wrong: Floats) -> Floats:
    """[SPREADS]: [truth, label] misses, the diagonal empty."""
    gammaln = scipy.special.gammaln
    others, total, same = len(wrong) - 1, wrong.sum(axis=1), np.arange(len(wrong))
    fits = np.empty(len(SPREADS))
    for part in _parts(len(SPREADS), wrong.size):
        spread = SPREADS[part, None]
        share = spread[:, :, None] / others
        cells = gammaln(wrong + share) - gammaln(share)
        cells[:, same, same] = 0
        rows = gammaln(spread) - gammaln(spread + total)
        fits[part] = rows.sum(axis=1) + cells.reshape(len(spread), -1).sum(axis=1)
    return fits


def of_strengths(counts: Floats, predicted: Floats) -> Floats:
    """[STRENGTHS, workers]: what each worker said [workers, truth, label] and what was predicted of it."""
    gammaln = scipy.special.gammaln
    filled = np.nonzero(counts)
    some, expected, rows = counts[filled], predicted[filled], counts.sum(axis=2)
    fits = np.empty((len(STRENGTHS), len(counts)))
    for part in _parts(len(STRENGTHS), max(rows.size, len(some))):
        k = STRENGTHS[part, None]
        cells = gammaln(some + k * expected) - gammaln(k * expected)
        place = np.arange(len(k))[:, None] * len(counts) + filled[0]
        said = np.bincount(place.reshape(-1), cells.reshape(-1), len(k) * len(counts)).reshape(len(k), -1)
        fits[part] = said - (gammaln(k[:, :, None] + rows) - gammaln(k)[:, :, None]).sum(axis=2)
    return fits


def of_evenness(counts: Floats) -> Floats:
    """[EVENNESS]: how many tasks are of each class."""
    gammaln = scipy.special.gammaln
    size = len(counts) * EVENNESS
    fits = gammaln(size) - gammaln(size + counts.sum())
    return np.asarray(fits + (gammaln(counts + EVENNESS[:, None]) - gammaln(EVENNESS[:, None])).sum(axis=1), np.float64)


def _parts(points: int, size: int) -> Iterator[slice]:
    """All points of a grid at once for a small crowd, few for one whose figures are so many that a cache is full."""
    at_once = max(1, PART // size)
    return (slice(first, first + at_once) for first in range(0, points, at_once))
