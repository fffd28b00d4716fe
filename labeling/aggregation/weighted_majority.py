"""Weighted majority (worker agreement with aggregate, "Wawa"): a vote weighs what its worker's agreement is.

First a plain majority; a worker's skill is the share of its answers that agree with it; then each vote counts by its
worker's skill. One round, no iteration, so it stays close to majority.

Source: Appen, "Calculating Worker Agreement with Aggregate (Wawa)", 2021. Equal to ``crowdkit.aggregation.Wawa``.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.votes import Fit, Votes, held, normalised, pooled_confusion, vote_shares


def fit(votes: Votes) -> Fit:
    """Vote twice.

    Returns:
        Shares of weighted votes; ``accuracy`` is each worker's agreement with the plain majority.
    """
    first = vote_shares(votes)
    winner = np.argmax(first, axis=1) if len(first) else np.zeros(0, np.int64)
    agreed = votes.per_worker((votes.label == winner[votes.task]).astype(np.float64))
    said = np.bincount(votes.worker, minlength=votes.n_workers)
    skill = np.where(said > 0, agreed / np.maximum(said, 1), 0.5)
    cell = votes.task * votes.n_classes + votes.label
    total = np.bincount(cell, weights=skill[votes.worker], minlength=votes.n_tasks * votes.n_classes)
    weights = np.asarray(total, np.float64).reshape(votes.n_tasks, votes.n_classes)
    silent = weights.sum(axis=1) == 0  # every voter has skill 0: the shares are all that is left
    weights[silent] = first[silent]
    posterior = held(votes, normalised(weights))
    return Fit(
        posterior=posterior,
        accuracy=skill,
        confusion=None,
        prior=normalised(posterior.sum(axis=0)) if len(posterior) else np.full(votes.n_classes, 1 / votes.n_classes),
        pooled=pooled_confusion(votes, posterior),
    )
