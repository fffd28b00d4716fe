"""The EM loop that the textbook methods share: guess the truth, learn the skills from the guess, guess again.

Started from the shares of the votes, as Dawid and Skene did, and stopped when the evidence lower bound per vote grows
by less than a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labeling.aggregation import majority
from labeling.aggregation.votes import (
    TINY,
    Fit,
    Floats,
    Votes,
    agreement_with,
    held,
    log_likelihood,
    pooled_confusion,
    softmax,
    vote_shares,
)

ITERATIONS = 100
TOLERANCE = 1e-5  # of the lower bound per vote, in nats
ZERO = 1e-300
Skills = Callable[[Votes, Floats], Floats]


def fit(votes: Votes, confusion_of: Skills) -> Fit:
    """Expectation-maximisation of a model of confusion; ``accuracy`` is the expected share of right votes of a worker.

    Args:
        votes: What was said.
        confusion_of: (votes, posterior [tasks, truth]) -> [workers, truth, label], the method's M-step.
    """
    if not len(votes) or votes.n_classes < 2:
        return majority.fit(votes)
    posterior, prior, confusion, steps, converged = _run(votes, confusion_of)
    return Fit(
        posterior=posterior,
        accuracy=agreement_with(votes, posterior),
        confusion=confusion,
        prior=prior,
        pooled=pooled_confusion(votes, posterior),
        iterations=steps,
        converged=converged,
    )


def _run(votes: Votes, confusion_of: Skills) -> tuple[Floats, Floats, Floats, int, bool]:
    """Posterior, prior, confusion, iterations made, whether it converged."""
    posterior = vote_shares(votes)
    prior = posterior.mean(axis=0)
    confusion = confusion_of(votes, posterior)
    bound = -np.inf
    for step in range(1, ITERATIONS + 1):
        evidence = log_likelihood(votes, np.log(np.maximum(confusion, ZERO)))
        posterior = held(votes, softmax(evidence + np.log(np.maximum(prior, TINY))))
        prior = posterior.mean(axis=0)
        confusion = confusion_of(votes, posterior)
        evidence = log_likelihood(votes, np.log(np.maximum(confusion, ZERO)))
        joint = evidence + votes_per_task(votes) * np.log(np.maximum(prior, TINY))
        spread = np.maximum(posterior, TINY)
        new = float((posterior * joint).sum() - (spread * np.log(spread)).sum()) / len(votes)
        if new - bound < TOLERANCE:
            return posterior, prior, confusion, step, True
        bound = new
    return posterior, prior, confusion, ITERATIONS, False


def votes_per_task(votes: Votes) -> Floats:
    """[n_tasks, 1]. crowd-kit's bound counts the prior once a vote; kept, so that both stop at the same step."""
    return np.bincount(votes.task, minlength=votes.n_tasks)[:, None].astype(np.float64)
