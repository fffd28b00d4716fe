"""Marginal likelihoods on grids, of the hyper-parameters that have no exact conditional (``hierarchy.py``).

Each function gives a log likelihood for each point of its grid, the parameters below it integrated out.

Source: the beta-binomial and the Dirichlet-multinomial, T. Minka, "Estimating a Dirichlet distribution" (2000).
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts come when they are first used, which web processes hardly do

from labeling.aggregation.votes import Floats

STRENGTHS = np.array([0.5, 1.0, 2, 4, 7, 12, 20, 35, 60, 100, 200, 500, 2000])
SPREADS = np.array([0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
EVENNESS = np.array([0.3, 1, 3, 10, 30, 100, 300, 1000, 1e4])
SHARES = np.array([0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45])
SIZES = np.array([0.5, 1, 2, 5, 20])
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
    others, total, same = len(wrong) - 1, wrong.sum(axis=1), np.eye(len(wrong), dtype=bool)
    fits = [
        (gammaln(spread) - gammaln(spread + total)).sum()
        + np.where(same, 0, gammaln(wrong + spread / others) - gammaln(spread / others)).sum()
        for spread in SPREADS
    ]
    return np.array(fits)


def of_strengths(counts: Floats, predicted: Floats) -> Floats:
    """[STRENGTHS, workers]: what each worker said [workers, truth, label] and what was predicted of it."""
    gammaln = scipy.special.gammaln
    filled = np.nonzero(counts)
    some, expected, rows = counts[filled], predicted[filled], counts.sum(axis=2)
    fits = np.empty((len(STRENGTHS), len(counts)))
    for index, k in enumerate(STRENGTHS):
        cells = gammaln(some + k * expected) - gammaln(k * expected)
        fits[index] = np.bincount(filled[0], cells, len(counts)) - (gammaln(k + rows) - gammaln(k)).sum(axis=1)
    return fits


def of_evenness(counts: Floats) -> Floats:
    """[EVENNESS]: how many tasks are of each class."""
    gammaln = scipy.special.gammaln
    size = len(counts) * EVENNESS
    fits = gammaln(size) - gammaln(size + counts.sum())
    return np.asarray(fits + (gammaln(counts + EVENNESS[:, None]) - gammaln(EVENNESS[:, None])).sum(axis=1), np.float64)
