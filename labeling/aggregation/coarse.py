"""What the adaptive default falls back to when matrices would not fit in memory or be guesses: a shrunk coin each.

A crowd of thousands of workers over thousands of classes says too little about any cell of a matrix to learn from it.
Each worker's accuracy is shrunk towards the crowd's by a Beta prior whose strength comes from the spread of accuracies
(method of moments), and a vote weighs its log odds; memory is tasks x classes.

Source: the one-coin model of Y. Zhang et al., JMLR 17 (2016); G. Casella, "An introduction to empirical Bayes data
analysis", American Statistician 39 (1985).
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.votes import Fit, Floats, Votes, held, softmax, vote_shares

ITERATIONS = 20


def fit(votes: Votes) -> Fit:
    """EM with shrunk skills; ``pooled`` is the crowd's mean coin."""
    classes = votes.n_classes
    posterior = vote_shares(votes)
    skill = np.full(votes.n_workers, 0.5)
    cell = votes.task * classes + votes.label
    for _ in range(ITERATIONS):
        skill = shrunk(votes, posterior[votes.task, votes.label])
        weight = np.log(skill / (1 - skill)) + np.log(classes - 1)
        flat = np.bincount(cell, weights=weight[votes.worker], minlength=votes.n_tasks * classes)
        evidence = np.asarray(flat, np.float64).reshape(votes.n_tasks, classes)
        new = held(votes, softmax(evidence))
        moved = float(np.abs(new - posterior).max())
        posterior = new
        if moved < 1e-3:
            break
    prior = posterior.mean(axis=0)
    crowd = float(skill.mean())
    pooled = np.where(np.eye(classes, dtype=bool), crowd, (1 - crowd) / (classes - 1))
    return Fit(posterior, skill, None, prior, pooled, ITERATIONS, details={"coarse": True})


def shrunk(votes: Votes, right: Floats) -> Floats:
    """[workers]: accuracy, shrunk towards the crowd's by how much each has said."""
    said = np.bincount(votes.worker, minlength=votes.n_workers).astype(np.float64)
    hits = votes.per_worker(right)
    mean = float(np.clip(right.mean(), 0.02, 0.98))
    heard = said > 1
    own = hits[heard] / said[heard]
    noise = mean * (1 - mean) / said[heard]
    spread = max(float(((own - mean) ** 2 - noise).mean()) if heard.any() else 0.0, 1e-4)
    strength = max(mean * (1 - mean) / spread - 1, 1.0)
    return np.clip((hits + strength * mean) / (said + strength), 0.01, 0.99)
