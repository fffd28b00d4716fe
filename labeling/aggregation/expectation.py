"""The EM loop that the textbook methods share: guess the truth, learn the skills from the guess, guess again.

Started from the shares of the votes, as Dawid and Skene did, and stopped when the evidence lower bound per vote grows
by less than a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labeling.aggregation.votes import TINY, Floats, Votes, held, log_likelihood, softmax, vote_shares

ZERO = 1e-300
Skills = Callable[[Votes, Floats], Floats]


def run(
    votes: Votes, confusion_of: Skills, *, iterations: int, tolerance: float
) -> tuple[Floats, Floats, Floats, int, bool]:
    """Expectation-maximisation of a confusion-matrix model.

    Args:
        votes: At least one vote.
        confusion_of: (votes, posterior [tasks, truth]) -> [workers, truth, label], the method's M-step.
        iterations: At most so many.
        tolerance: Stop when the lower bound per vote, in nats, grows by less.

    Returns:
        posterior [tasks, truth], prior [truth], confusion, iterations made, whether it converged.
    """
    posterior = vote_shares(votes)
    prior = posterior.mean(axis=0)
    confusion = confusion_of(votes, posterior)
    bound = -np.inf
    for step in range(1, iterations + 1):
        evidence = log_likelihood(votes, np.log(np.maximum(confusion, ZERO)))
        posterior = held(votes, softmax(evidence + np.log(np.maximum(prior, TINY))))
        prior = posterior.mean(axis=0)
        confusion = confusion_of(votes, posterior)
        evidence = log_likelihood(votes, np.log(np.maximum(confusion, ZERO)))
        joint = evidence + votes_per_task(votes) * np.log(np.maximum(prior, TINY))
        spread = np.maximum(posterior, TINY)
        new = float((posterior * joint).sum() - (spread * np.log(spread)).sum()) / len(votes)
        if new - bound < tolerance:
            return posterior, prior, confusion, step, True
        bound = new
    return posterior, prior, confusion, iterations, False


def votes_per_task(votes: Votes) -> Floats:
    """[n_tasks, 1]. crowd-kit's bound counts the prior once a vote; kept, so that both stop at the same step."""
    return np.bincount(votes.task, minlength=votes.n_tasks)[:, None].astype(np.float64)
