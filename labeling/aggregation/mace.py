"""MACE: a worker either knows the answer or answers by a habit of its own; classes are equally frequent beforehand.

Finds spammers of any kind, also those who always press the same button, with one number and one habit a worker. Fitted
by variational Bayes with the paper's priors; started from even odds of knowing and even habits.

Source: D. Hovy, T. Berg-Kirkpatrick, A. Vaswani, E. Hovy, "Learning whom to trust with MACE", NAACL-HLT 2013.
The same updates as ``crowdkit.aggregation.MACE``, which starts from random numbers.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts come when they are first used, which web processes hardly do

from labeling.aggregation import majority
from labeling.aggregation.votes import Fit, Floats, Votes, held, normalised, pooled_confusion, softmax

ITERATIONS = 50
KNOWS_PRIOR = 0.5  # of the Beta on knowing
HABIT_PRIOR = 10.0  # of the Dirichlet on habits, per label


def fit(votes: Votes) -> Fit:
    """Variational EM.

    Returns:
        Posterior; ``accuracy`` = the chance to know, plus guessing right by habit; confusion matrices alike.
    """
    digamma = scipy.special.digamma
    if not len(votes) or votes.n_classes < 2:
        return majority.fit(votes)
    knows = np.full(votes.n_workers, 0.5)
    habit = np.full((votes.n_workers, votes.n_classes), 1 / votes.n_classes)
    posterior = _posterior(votes, knows, habit)
    for _ in range(ITERATIONS):
        # The chance that a vote came from knowing: the truth must be what it says.
        blind = (1 - knows)[votes.worker] * habit[votes.worker, votes.label]
        seeing = posterior[votes.task, votes.label] * knows[votes.worker] / (knows[votes.worker] + blind)
        known, said = votes.per_worker(seeing), votes.per_worker(np.ones(len(votes)))
        cell = votes.worker * votes.n_classes + votes.label
        by_habit = np.bincount(cell, 1 - seeing, votes.n_workers * votes.n_classes).reshape(habit.shape)
        sight, guess = np.exp(digamma(known + KNOWS_PRIOR)), np.exp(digamma(said - known + KNOWS_PRIOR))
        knows = sight / (sight + guess)
        weights = np.exp(digamma(by_habit + HABIT_PRIOR))
        habit = weights / weights.sum(axis=1, keepdims=True)
        posterior = _posterior(votes, knows, habit)
    same = np.eye(votes.n_classes)
    confusion = knows[:, None, None] * same + ((1 - knows)[:, None] * habit)[:, None, :]
    prior = normalised(posterior.sum(axis=0))
    accuracy = np.clip(np.einsum("k,wkk->w", prior, confusion), 0, 1)
    return Fit(posterior, accuracy, confusion, prior, pooled_confusion(votes, posterior), ITERATIONS)


def _posterior(votes: Votes, knows: Floats, habit: Floats) -> Floats:
    """A vote speaks for its own label by what knowing adds to habit; for all others it speaks alike."""
    blind = (1 - knows)[votes.worker] * habit[votes.worker, votes.label]
    weight = np.log((knows[votes.worker] + blind) / np.maximum(blind, 1e-300))
    cell = votes.task * votes.n_classes + votes.label
    evidence = np.asarray(np.bincount(cell, weight, votes.n_tasks * votes.n_classes), np.float64)
    return held(votes, softmax(evidence.reshape(votes.n_tasks, votes.n_classes)))
