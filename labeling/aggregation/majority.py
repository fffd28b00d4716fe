"""Majority vote: each judgment counts the same, and the posterior is the share of the votes.

The yardstick that is always shown beside the default. It needs no model and cannot be led astray by one; it also cannot
tell a careful worker from a careless one. Ties go to the label with the lowest number, and show as equal shares.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.votes import Fit, Votes, agreement_with, normalised, pooled_confusion, vote_shares


def fit(votes: Votes) -> Fit:
    """Count.

    Returns:
        The shares of votes; ``accuracy`` is each worker's mean share of what it answered, so it counts its own vote.
    """
    posterior = vote_shares(votes)
    return Fit(
        posterior=posterior,
        accuracy=agreement_with(votes, posterior),
        confusion=None,
        prior=normalised(posterior.sum(axis=0)) if len(posterior) else np.full(votes.n_classes, 1 / votes.n_classes),
        pooled=pooled_confusion(votes, posterior),
    )
