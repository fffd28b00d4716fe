"""Votes in, a posterior out: the two data classes that every aggregator speaks, and the sums that they share.

Pure numpy. A vote is a row of three integers: which task, which worker, which label. Everything is numbered from 0 and
kept as flat arrays, so that a million votes are four arrays and an EM step is a few ``bincount`` calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

UNKNOWN = -1
TINY = 1e-10


@dataclass(frozen=True, eq=False)
class Votes:
    """What a crowd said.

    Attributes:
        task, worker, label: int [n], each vote's task, worker and label; one worker votes at most once on a task.
        n_tasks, n_workers, n_classes: how many there are; a task or worker may have no vote.
        known: int [n_tasks], the true label of gold tasks, UNKNOWN (-1) elsewhere. An aggregator that learns skills
            holds these tasks at their truth; it never changes what the others may become in any other way.
        hidden: bool [n_tasks], gold that was answered like any other task, so that it also shows how often the crowd's
            word is right; by default all of it. (Practice is answered by beginners, and picked to be instructive.)
        checks: bool [n_tasks], gold that was picked because favourites are not the votes' winners there: it says which
            of the two are right, and nothing of how right the crowd is elsewhere; None where there is none.
    """

    task: Ints
    worker: Ints
    label: Ints
    n_tasks: int
    n_workers: int
    n_classes: int
    known: Ints
    hidden: NDArray[np.bool_]
    checks: NDArray[np.bool_] | None = None

    @staticmethod
    def of(
        task: ArrayLike,
        worker: ArrayLike,
        label: ArrayLike,
        *,
        n_classes: int | None = None,
        n_tasks: int | None = None,
        n_workers: int | None = None,
        known: ArrayLike | None = None,
        hidden: ArrayLike | None = None,
    ) -> Votes:
        """Check and count.

        Raises:
            ValueError: the arrays differ in length, or hold a number below 0 or not below its count.
        """
        tasks, workers, labels = (np.asarray(column, dtype=np.int64).reshape(-1) for column in (task, worker, label))
        if not len(tasks) == len(workers) == len(labels):
            raise ValueError(f"expected columns of one length, got {len(tasks)}, {len(workers)} and {len(labels)}.")
        sizes = [
            _size(name, column, given)
            for name, column, given in (
                ("tasks", tasks, n_tasks),
                ("workers", workers, n_workers),
                ("classes", labels, n_classes),
            )
        ]
        gold = np.full(sizes[0], UNKNOWN, np.int64) if known is None else np.asarray(known, np.int64).reshape(-1)
        if len(gold) != sizes[0] or (len(gold) and not -1 <= gold.min() <= gold.max() < sizes[2]):
            raise ValueError(f"expected {sizes[0]} known labels from -1 to {sizes[2] - 1}.")
        blind = gold != UNKNOWN if hidden is None else (gold != UNKNOWN) & np.asarray(hidden, dtype=bool).reshape(-1)
        return Votes(tasks, workers, labels, sizes[0], sizes[1], sizes[2], gold, blind)

    def __len__(self) -> int:
        return len(self.task)

    def counts(self) -> Floats:
        """[n_tasks, n_classes]: how many votes each label of each task has."""
        flat = np.bincount(self.task * self.n_classes + self.label, minlength=self.n_tasks * self.n_classes)
        return flat.reshape(self.n_tasks, self.n_classes).astype(np.float64)

    def per_worker(self, values: Floats) -> Floats:
        """[n_workers]: the sum of a number per vote."""
        return np.asarray(np.bincount(self.worker, weights=values, minlength=self.n_workers), np.float64)

    def per_task(self, values: Floats) -> Floats:
        """[n_tasks]: the sum of a number per vote."""
        return np.asarray(np.bincount(self.task, weights=values, minlength=self.n_tasks), np.float64)


def _size(name: str, column: Ints, given: int | None) -> int:
    least = int(column.max()) + 1 if len(column) else 0
    size = max(least, 1 if name == "classes" else 0) if given is None else given
    if size < least or (len(column) and column.min() < 0):
        raise ValueError(f"expected numbers from 0 to {size - 1} for {name}, got {column.min()} to {least - 1}.")
    return size


@dataclass(frozen=True, eq=False)
class Fit:
    """What an aggregator concludes.

    Attributes:
        posterior: [n_tasks, n_classes], rows sum to 1.
        accuracy: [n_workers], the chance that a worker's next answer is right, in [0, 1].
        confusion: [n_workers, truth, label] rows sum to 1; None where the method has none (or it would not fit in
            memory).
        prior: [n_classes], how frequent each class is.
        pooled: [truth, label], what the crowd as a whole answers; the prior of a worker not seen before.
        iterations, converged: of the method's own loop.
        details: figures for people, JSON-able.
    """

    posterior: Floats
    accuracy: Floats
    confusion: Floats | None
    prior: Floats
    pooled: Floats
    iterations: int = 0
    converged: bool = True
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> Ints:
        """[n_tasks]: the most probable label; the lowest number where several are equally probable."""
        return np.argmax(self.posterior, axis=1) if len(self.posterior) else np.zeros(0, np.int64)

    @property
    def confidence(self) -> Floats:
        """[n_tasks]: the posterior of that label."""
        return self.posterior.max(axis=1) if len(self.posterior) else np.zeros(0)


Aggregator = Callable[[Votes], Fit]


def normalised(rows: Floats) -> Floats:
    """Rows over the last axis that sum to 1; a row of zeros becomes uniform."""
    total = rows.sum(axis=-1, keepdims=True)
    return np.where(total > 0, rows / np.where(total > 0, total, 1), 1 / rows.shape[-1])


def softmax(logits: Floats) -> Floats:
    """[..., k] log weights to probabilities, without overflow."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def vote_shares(votes: Votes) -> Floats:
    """[n_tasks, n_classes]: each label's share of its task's votes; gold tasks at their truth."""
    return held(votes, normalised(votes.counts()))


def held(votes: Votes, posterior: Floats) -> Floats:
    """The posterior [n_tasks, n_classes] with gold tasks at their known label (changed in place, and returned)."""
    gold = np.flatnonzero(votes.known != UNKNOWN)
    posterior[gold] = 0
    posterior[gold, votes.known[gold]] = 1
    return posterior


def worker_counts(votes: Votes, posterior: Floats) -> Floats:
    """[n_workers, truth, label]: expected number of votes; the M-step of every confusion-matrix model."""
    cell = votes.worker * votes.n_classes + votes.label
    size = votes.n_workers * votes.n_classes
    counts = np.empty((votes.n_workers, votes.n_classes, votes.n_classes))
    for truth in range(votes.n_classes):
        column = np.bincount(cell, weights=posterior[votes.task, truth], minlength=size)
        counts[:, truth, :] = column.reshape(votes.n_workers, votes.n_classes)
    return counts


def log_likelihood(votes: Votes, log_confusion: Floats) -> Floats:
    """[n_tasks, truth]: the sum over a task's votes of log P(label | truth, worker); the E-step's data term."""
    total = np.empty((votes.n_tasks, votes.n_classes))
    for truth in range(votes.n_classes):
        total[:, truth] = votes.per_task(log_confusion[votes.worker, truth, votes.label])
    return total


def agreement_with(votes: Votes, posterior: Floats) -> Floats:
    """[n_workers]: each worker's mean posterior of what it answered; .5 for a worker without a vote."""
    total = votes.per_worker(posterior[votes.task, votes.label])
    said = np.bincount(votes.worker, minlength=votes.n_workers)
    return np.where(said > 0, total / np.maximum(said, 1), 0.5)


def pooled_confusion(votes: Votes, posterior: Floats) -> Floats:
    """[truth, label]: the whole crowd's confusion, with a little weight on the diagonal and a little everywhere."""
    counts = np.stack(
        [
            np.bincount(votes.label, weights=posterior[votes.task, truth], minlength=votes.n_classes)
            for truth in range(votes.n_classes)
        ]
    )
    return normalised(counts + np.eye(votes.n_classes) + 1 / votes.n_classes)
