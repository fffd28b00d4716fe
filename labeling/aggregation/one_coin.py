"""One-coin Dawid-Skene: a worker is right with one probability, and its errors fall on all other labels alike.

One number a worker, so it needs few judgments. Where the crowd's errors are one-sided (many see nothing where there is
something, few the reverse) that number says the wrong thing, and it can fall far below majority.

Source: Y. Zhang, X. Chen, D. Zhou, M. I. Jordan, "Spectral methods meet EM: a provably optimal algorithm for
crowdsourcing", JMLR 17 (2016), after Dawid and Skene (1979). Equal to ``crowdkit.aggregation.OneCoinDawidSkene``.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation import expectation, majority
from labeling.aggregation.votes import TINY, Fit, Floats, Votes, agreement_with, pooled_confusion

ITERATIONS = 100
TOLERANCE = 1e-5


def fit(votes: Votes) -> Fit:
    """EM on one skill per worker.

    Returns:
        Posterior, and ``accuracy`` = the skill; ``confusion`` is that skill on the diagonal.
    """
    if not len(votes) or votes.n_classes < 2:
        return majority.fit(votes)
    posterior, prior, confusion, steps, converged = expectation.run(
        votes, _confusion, iterations=ITERATIONS, tolerance=TOLERANCE
    )
    return Fit(
        posterior=posterior,
        accuracy=agreement_with(votes, posterior),
        confusion=confusion,
        prior=prior,
        pooled=pooled_confusion(votes, posterior),
        iterations=steps,
        converged=converged,
    )


def _confusion(votes: Votes, posterior: Floats) -> Floats:
    return matrices(agreement_with(votes, posterior), votes.n_classes)


def matrices(skill: Floats, n_classes: int) -> Floats:
    """[n_workers] skills -> [n_workers, truth, label]: the skill on the diagonal, the rest spread evenly."""
    wrong = (1 - skill) / max(n_classes - 1, 1)
    same = np.eye(n_classes, dtype=bool)
    return np.clip(np.where(same, skill[:, None, None], wrong[:, None, None]), TINY, 1 - TINY)
