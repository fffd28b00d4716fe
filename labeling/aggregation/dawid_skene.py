"""Dawid-Skene: each worker has a full confusion matrix, each class a frequency; both by maximum likelihood.

It learns that one worker calls every wolf a husky. It also believes in matrices that it estimated from two judgments,
and so is worse than majority where workers said little over many classes.

Source: A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm",
J. Royal Statistical Society C 28 (1979) 20-28. Equal to ``crowdkit.aggregation.DawidSkene``.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation import expectation
from labeling.aggregation.votes import TINY, Fit, Floats, Votes, normalised, worker_counts


def fit(votes: Votes) -> Fit:
    """EM on one confusion matrix per worker."""
    return expectation.fit(votes, _confusion)


def _confusion(votes: Votes, posterior: Floats) -> Floats:
    counts = worker_counts(votes, posterior)
    used = counts.sum(axis=1, keepdims=True) > 0  # a label that a worker never gave has no share of its matrix
    return normalised(np.where(used, np.maximum(counts, TINY), 0.0))
