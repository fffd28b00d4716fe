"""How far people err together, and how much less their votes are then worth: keeps a posterior's word.

Confusion matrices take votes on a task as independent, and real ones are not: what is hard for one is hard for all. Ten
votes that err together say less than ten that do not, and a posterior that multiplies them is surer than it is right.
With a correlation r, n votes are worth n / (1 + (n - 1) r) independent ones (the survey statisticians' design effect),
so a task's log posterior is divided by 1 + (n - 1) r. That changes how sure a label is, never which label it is.

``r`` is learned from the votes alone: the one under which votes that are left out one by one are predicted best by the
others on the task. With few others there is nothing to see, so tasks with fewer than LEAST votes do not teach, and a
normal prior keeps r near USUAL. That everybody is wrong in the same way cannot be seen, so r is if anything too small.

Hidden gold can see it: how sure would the posterior of so many people as an ordinary task has been of the known answer,
had it not been known? r is raised to what makes the known answers likeliest, against a half-normal prior that starts at
what the votes say. It is never lowered: gold is mostly picked where the answer is clear, and would call people better
than they are.

Source: L. Kish, "Survey sampling" (1965), section 5.4 (design effect of clusters); C. Guo et al., "On calibration of
modern neural networks", ICML 2017 (tempering by labels held out); the leave-one-out score: S. Geisser, W. F. Eddy,
JASA 74 (1979).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labeling.aggregation.votes import UNKNOWN, Floats, Ints, Votes, held, log_likelihood, softmax

GRID = np.concatenate([np.arange(0, 0.5, 0.025), np.arange(0.5, 1.01, 0.1)])
USUAL, WIDTH = 0.2, 0.1  # before anything is known: mean and deviation
LEAST = 5
MOST = 20_000  # votes that are looked at
FLOOR = 1e-9
SURE = 0.95


def discount(judgments: Floats, correlation: float) -> Floats:
    """What one vote on a task is worth, in (0, 1], by how many ``judgments`` the task has; of the same shape as these.

    ``correlation`` is from 0 (people err each for themselves) to 1 (all say the same).
    """
    return np.asarray(1 / (1 + np.maximum(judgments - 1, 0) * correlation), np.float64)


def tempered(votes: Votes, posterior: Floats, correlation: float) -> Floats:
    """[n_tasks, n_classes]: the posterior of votes that err together; the order of a task's labels stays."""
    worth = discount(np.bincount(votes.task, minlength=votes.n_tasks).astype(np.float64), correlation)
    return held(votes, softmax(np.log(np.maximum(posterior, FLOOR)) * worth[:, None]))


def learned(votes: Votes, posterior: Floats, confusion: Floats, prior: Floats, strength: float) -> float:
    """The correlation under which left-out votes are predicted best, raised to what hidden gold shows.

    Args:
        votes: What was said.
        posterior, confusion, prior: What the fit concludes.
        strength: How many answers the crowd's word counts as in a worker's matrix: what remains of it without a vote.
    """
    least = _by_votes(votes, posterior, confusion, prior, strength)
    if not votes.hidden.any():
        return least
    parts = unaided(votes, posterior, confusion, prior, strength, votes.hidden)
    rows = np.arange(len(parts.truth))
    fits = np.where(least > GRID, -np.inf, -0.5 * ((GRID - least) / WIDTH) ** 2)
    for index in np.flatnonzero(least <= GRID):
        chance = parts.chances(GRID[index])
        fits[index] += (np.log(np.maximum(chance[rows, parts.truth], FLOOR)) * parts.weight).sum()
    return float(GRID[fits.argmax()])


class Parts(NamedTuple):
    """Gold by parts, each what so many people as an ordinary task has would have said."""

    logits: Floats  # [parts, classes]: prior and votes, as if the answer were not known
    judgments: Floats  # [parts]
    truth: Ints  # [parts]
    weight: Floats  # [parts]: a task's sum to 1, for its parts share what is hard about it
    said: Floats  # [parts, classes]: how many gave each label

    def chances(self, correlation: float) -> Floats:
        """[parts, classes]: the posterior of people who err together."""
        return softmax(self.logits * discount(self.judgments, correlation)[:, None])


def unaided(
    votes: Votes, posterior: Floats, confusion: Floats, prior: Floats, strength: float, gold: NDArray[np.bool_]
) -> Parts:
    """This gold, bool [n_tasks], as the crowd alone would see it; a task that many were asked is dealt into parts."""
    times = np.bincount(votes.task, minlength=votes.n_tasks)
    ordinary = times[(times > 0) & (votes.known == UNKNOWN)]
    size = max(float(np.median(ordinary if len(ordinary) else times)), 1.0)
    parts = np.maximum(np.round(times / size), 1).astype(np.int64)
    chosen = np.flatnonzero(gold[votes.task])
    order = chosen[np.lexsort((votes.worker[chosen], votes.task[chosen]))]
    task, worker = votes.task[order], votes.worker[order]
    rank = np.arange(len(task)) - np.searchsorted(task, task)
    first = np.cumsum(parts) - parts
    part, place = np.unique(first[task] + rank % parts[task], return_inverse=True)
    home = np.searchsorted(first, part, side="right") - 1
    chance = confusion[worker, :, votes.label[order]]
    logs = np.log(_without(votes, posterior, chance, worker, posterior[task], strength))
    total = np.log(np.maximum(prior, FLOOR)) + np.zeros((len(part), 1))
    np.add.at(total, place, logs)
    said = np.zeros_like(total)
    np.add.at(said, (place, votes.label[order]), 1)
    return Parts(total, said.sum(axis=1), votes.known[home], 1 / parts[home], said)


def on_gold(parts: Parts, correlation: float) -> dict[str, float]:
    """Whether the crowd's word is kept: how often it alone would be right on hidden gold, and how often it expects to.

    Returns:
        In tasks: how many there are, ``right``, ``expected`` to be right, ``sure`` (at least SURE), and ``sure_right``.
    """
    chance = parts.chances(correlation)
    expected, right = chance.max(axis=1), chance.argmax(axis=1) == parts.truth
    sure = expected >= SURE
    shares = {"tasks": 1, "right": right, "expected": expected, "sure": sure, "sure_right": sure & right}
    return {name: round(float((parts.weight * share).sum()), 2) for name, share in shares.items()}


def _by_votes(votes: Votes, posterior: Floats, confusion: Floats, prior: Floats, strength: float) -> float:
    said = np.bincount(votes.task, minlength=votes.n_tasks)
    taught = np.flatnonzero((said >= LEAST) & (votes.known == UNKNOWN))
    fits = -0.5 * ((GRID - USUAL) / WIDTH) ** 2
    if not len(taught):
        return float(GRID[fits.argmax()])
    taught = taught[:: max(1, round(said[taught].sum() / MOST))]
    place = np.full(votes.n_tasks, UNKNOWN)
    place[taught] = np.arange(len(taught))
    chosen = place[votes.task] != UNKNOWN
    task, worker, label = place[votes.task[chosen]], votes.worker[chosen], votes.label[chosen]
    logs = np.log(np.maximum(confusion, FLOOR))
    known = np.full(len(taught), UNKNOWN)
    some = Votes(task, worker, label, len(taught), votes.n_workers, votes.n_classes, known, known != UNKNOWN)
    own = logs[worker, :, label]
    others = log_likelihood(some, logs)[task] - own + np.log(np.maximum(prior, FLOOR))
    expected = _without(votes, posterior, np.exp(own), worker, posterior[taught][task], strength)
    for index, correlation in enumerate(GRID):
        worth = discount((said[taught][task] - 1).astype(np.float64), correlation)
        fits[index] += np.log((softmax(others * worth[:, None]) * expected).sum(axis=1)).sum()
    return float(GRID[fits.argmax()])


def _without(votes: Votes, posterior: Floats, chance: Floats, worker: Ints, own: Floats, strength: float) -> Floats:
    """[votes, truth]: the chance of each vote by its worker's matrix without that vote's own share in it."""
    answers = np.stack([votes.per_worker(posterior[votes.task, truth]) for truth in range(votes.n_classes)], axis=1)
    total = answers[worker] + strength
    return np.clip(np.maximum(chance * total - own, 1e-3) / np.maximum(total - own, 1e-2), 1e-4, 1)
