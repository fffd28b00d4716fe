"""The adaptive default: Dawid-Skene that believes a worker's matrix only as far as the worker has spoken.

Three levels. The crowd has one pooled confusion matrix, shrunk towards one coin. A worker has one ability, which moves
the error rate of every row of that matrix up or down together, shrunk towards none by a normal prior. And each row of
a worker's own matrix is Dirichlet-distributed round the row that ability predicts. With no worker heard much, this is a
majority vote of equals; with much heard, it is Dawid and Skene's model.

A vote never supports itself: when a task's posterior is updated, the task's own share is taken out of the counts first
(the zeroth-order collapsed variational update, which needs no sampling and overfits far less than EM).

Source: A. P. Dawid and A. M. Skene (1979); H.-C. Kim and Z. Ghahramani, "Bayesian classifier combination", AISTATS
2012; M. Venanzi et al., "Community-based Bayesian aggregation models for crowdsourcing", WWW 2014; A. Asuncion et al.,
"On smoothing and inference for topic models", UAI 2009 (CVB0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.aggregation import majority
from labeling.aggregation.votes import Fit, Floats, Votes, held, softmax, vote_shares, worker_counts

ITERATIONS = 40
TOLERANCE = 1e-3
ROW = 20.0
POOL = 100.0


@dataclass(eq=False)
class Skills:
    """What is believed of the workers between two steps."""

    ability: Floats  # [workers], in log odds of being right
    spread: float  # variance of ability


def fit(votes: Votes) -> Fit:
    """Fit the three levels; see the module's text."""
    if not len(votes) or votes.n_classes < 2:
        return majority.fit(votes)
    posterior = vote_shares(votes)
    skills = Skills(np.zeros(votes.n_workers), 0.5)
    steps, moved = 0, 1.0
    while steps < ITERATIONS and moved >= TOLERANCE:
        steps += 1
        counts = worker_counts(votes, posterior)
        pooled = _pooled(counts.sum(axis=0))
        expected = _expected(counts, pooled, skills)
        prior = (posterior.sum(axis=0) + 1) / (len(posterior) + votes.n_classes)
        evidence = _evidence(votes, posterior, counts, expected) + np.log(prior)
        new = held(votes, softmax(evidence))
        moved = float(np.abs(new - posterior).max())
        posterior = new
    counts = worker_counts(votes, posterior)
    confusion = (counts + ROW * expected) / (counts.sum(axis=2, keepdims=True) + ROW)
    accuracy = np.einsum("k,wkk->w", prior, confusion)
    return Fit(posterior, accuracy, confusion, prior, pooled, steps, moved < TOLERANCE)


def _pooled(counts: Floats) -> Floats:
    """[truth, label]: the crowd's counts, shrunk towards one coin."""
    classes = len(counts)
    same = np.eye(classes, dtype=bool)
    right = float(np.clip(np.trace(counts) / counts.sum(), 1 / classes + 1e-3, 1 - 1e-3))
    coin = np.where(same, right, (1 - right) / (classes - 1))
    rows = (counts + POOL * coin) / (counts.sum(axis=1, keepdims=True) + POOL)
    rows = np.maximum(rows, 1e-6)
    return rows / rows.sum(axis=1, keepdims=True)


def _expected(counts: Floats, pooled: Floats, skills: Skills) -> Floats:
    """[workers, truth, label]: the pooled matrix at each worker's ability, which is updated by Newton's method."""
    same = np.eye(len(pooled), dtype=bool)
    hit = np.clip(np.diag(pooled), 1e-6, 1 - 1e-6)
    base = np.log(hit) - np.log1p(-hit)
    miss = np.where(same, 0, pooled) / (1 - hit)[:, None]
    right, said = np.einsum("wkk->wk", counts), counts.sum(axis=2)
    for _ in range(4):
        chance = _logistic(base + skills.ability[:, None])
        slope = (right - said * chance).sum(axis=1) - skills.ability / skills.spread
        bend = (said * chance * (1 - chance)).sum(axis=1) + 1 / skills.spread
        skills.ability = np.clip(skills.ability + np.clip(slope / bend, -1.5, 1.5), -8, 8)
    heard = said.sum(axis=1) > 0
    skills.spread = float(np.clip((skills.ability[heard] ** 2 + 1 / bend[heard]).mean(), 1e-3, 9))
    chance = _logistic(base + skills.ability[:, None])[:, :, None]
    return np.where(same, chance, (1 - chance) * miss)


def _evidence(votes: Votes, posterior: Floats, counts: Floats, expected: Floats) -> Floats:
    """[tasks, truth]: log-likelihood of each task's votes, its own share taken out of the counts."""
    said = counts.sum(axis=2)
    total = np.empty_like(posterior)
    for truth in range(votes.n_classes):
        own = posterior[votes.task, truth]
        cell = np.maximum(counts[votes.worker, truth, votes.label] - own, 0)
        row = np.maximum(said[votes.worker, truth] - own, 0)
        chance = (cell + ROW * expected[votes.worker, truth, votes.label]) / (row + ROW)
        total[:, truth] = votes.per_task(np.log(chance))
    return total


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
