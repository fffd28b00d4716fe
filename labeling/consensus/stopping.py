"""When a task has heard enough. Pure: a policy looks at one task's state and says wait, ask more, or retire and why.

``fixed`` asks everyone's minimum and no more. ``confidence`` asks until the posterior reaches the project's threshold.
``imagenet`` does what ImageNet did: from the tasks that were asked often it learns, for each category, how far a count
of "for" and "against" can be trusted, and then asks the rest only until their count is in that table. All retire at
the maximum and at the budget's end.

Source: J. Deng, W. Dong, R. Socher, L.-J. Li, K. Li, L. Fei-Fei, "ImageNet: a large-scale hierarchical image database",
CVPR 2009, section 3.2 (dynamic number of votes per image, confidence score table).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Literal

import numpy as np

from labeling.aggregation.votes import Floats, Ints

SAMPLE = 10  # ImageNet's "at least 10 votes" of the tasks that the table is learned from
DEPTH = 30  # a table counts no further
OWN_SHARE = 3.0  # tasks that the mean of all counts as, in a forecast's shares
Table = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class TaskState:
    """What a policy may look at.

    Attributes:
        judgments: How many the task has.
        wanted: How many it was asked for so far.
        least, most: The project's bounds, or what a person asked for where that is more, 1 <= least <= most.
        confidence: Of the least sure of its required questions, in [0, 1].
        threshold: The project's, in (0, 1).
        spent: Whether the project's budget has no room for one more judgment.
        votes: Category -> number of votes, of the primary question: the first required one that has classes.
        table: Category -> {"for,against": chance that the category is the truth}.
        beside: The confidence of the least sure of the other required questions; 1 without any.
    """

    judgments: int
    wanted: int
    least: int
    most: int
    confidence: float
    threshold: float
    spent: bool = False
    votes: Mapping[str, int] = field(default_factory=dict)
    table: Table = field(default_factory=dict)
    beside: float = 1.0


@dataclass(frozen=True)
class Decision:
    """What becomes of a task; ``because`` says why it retires."""

    action: Literal["wait", "more", "retire"]
    because: Literal["", "confident", "maximum", "budget"] = ""


WAIT = Decision("wait")
MORE = Decision("more")
Policy = Callable[[TaskState], Decision]


def fixed(state: TaskState) -> Decision:
    """The same number of judgments for each task: the project's minimum."""
    return _bounded(state, sure=False, most=state.least)


def confidence(state: TaskState) -> Decision:
    """At least the minimum, then until the posterior is confident."""
    return _bounded(state, sure=state.confidence >= state.threshold, most=state.most)


def imagenet(state: TaskState) -> Decision:
    """At least the minimum, then until the table trusts the votes' count; without a table, the posterior.

    The table is the primary question's: of the others the posteriors must be sure as well.
    """
    if not state.votes or not state.table:
        return confidence(state)
    leader = max(state.votes, key=lambda category: state.votes[category])
    known = trusted(state.table, leader, state.votes[leader], sum(state.votes.values()) - state.votes[leader])
    chance = state.confidence if known is None else min(known, state.beside)
    return _bounded(state, sure=chance >= state.threshold, most=state.most)


def _bounded(state: TaskState, *, sure: bool, most: int) -> Decision:
    if state.judgments >= state.least and sure:
        return Decision("retire", "confident")
    if state.judgments >= most:
        return Decision("retire", "maximum")
    if state.spent:
        return Decision("retire", "budget")
    return MORE if state.judgments >= state.wanted else WAIT


POLICIES: dict[str, Policy] = {"fixed": fixed, "confidence": confidence, "imagenet": imagenet}


def confidence_table(counts: Floats, label: Ints, *, sample: int = SAMPLE, prior: float = 2.0) -> Floats:
    """How far a partial count can be trusted, learned from tasks that were asked often.

    Each such task is played again in every order at once: the chance that its first n votes hold ``a`` for a category
    and ``b`` against is hypergeometric.

    Args:
        counts: [tasks, classes], votes.
        label: [tasks], the answer that all votes of the task lead to.
        sample: Only tasks with at least so many votes teach.
        prior: Pseudo-tasks that say what the category's share of all leading answers says.

    Returns:
        [classes, DEPTH + 1, DEPTH + 1]: the chance that the category is the answer, after a votes for and b against;
        nan where no task with that count was seen.
    """
    classes = counts.shape[1]
    seen = np.zeros((classes, DEPTH + 1, DEPTH + 1))
    right = np.zeros_like(seen)
    taught = np.flatnonzero(counts.sum(axis=1) >= sample)
    for task in taught:
        for category in np.flatnonzero(counts[task]):
            yes = int(counts[task, category])
            weights = _orders(yes, int(counts[task].sum()) - yes)
            a, b = weights.shape
            seen[category, :a, :b] += weights
            if label[task] == category:
                right[category, :a, :b] += weights
    share = np.bincount(label[taught], minlength=classes)[:, None, None] / max(len(taught), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seen > 0, (right + prior * share) / (seen + prior), np.nan)


def _orders(yes: int, no: int) -> Floats:
    """[a, b]: the chance that the first a + b of so many votes are a yes and b no."""
    a, b = min(yes, DEPTH) + 1, min(no, DEPTH) + 1
    return np.array([[comb(yes, i) * comb(no, j) / comb(yes + no, i + j) for j in range(b)] for i in range(a)])


def as_table(chances: Floats, classes: list[str]) -> dict[str, dict[str, float]]:
    """The array of ``confidence_table`` as JSON-able rows ``{category: {"for,against": chance}}``."""
    table: dict[str, dict[str, float]] = {}
    for category, a, b in zip(*np.nonzero(~np.isnan(chances)), strict=True):
        if a > 0:
            table.setdefault(classes[category], {})[f"{a},{b}"] = round(float(chances[category, a, b]), 4)
    return table


def trusted(table: Table, category: str, votes_for: int, against: int) -> float | None:
    """The table's chance, or None where it was never seen."""
    return table.get(category, {}).get(f"{votes_for},{against}")


def enough(table: Table, category: str, threshold: float) -> int | None:
    """How few votes for the category, with none against, the table believes; None where no number that it has seen."""
    return next((n for n in range(1, DEPTH + 1) if (trusted(table, category, n, 0) or 0) >= threshold), None)


@dataclass(frozen=True)
class Forecast:
    """What is still to be asked."""

    per_task: float  # of the tasks that are done; before that, what one is expected to take
    judgments_to_go: int


def forecast(*, retired: Sequence[int], still_open: Sequence[int], least: int, most: int) -> Forecast:
    """How many judgments the open tasks will still take.

    A life table: of the tasks that were decided upon after n judgments, this share retired then. The mean of those that
    are done would be too low a guess for the rest, because easy tasks are done first. Where little was seen, a share is
    drawn towards the mean of all; with nothing seen, each number from the minimum to the maximum is as likely.

    Args:
        retired, still_open: [judgments] how many tasks that are done, and that are not, have so many judgments.
        least, most: The project's bounds.

    Source: E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", JASA 53 (1958).
    """
    size = max(len(retired), len(still_open), most + 1)
    done, waiting = (np.pad(np.asarray(row, np.float64), (0, size - len(row))) for row in (retired, still_open))
    ends = _ends(done, waiting, least, most)
    ahead = np.zeros(size + 1)  # judgments that a task with so many will still take
    for count in range(most - 1, -1, -1):
        ahead[count] = 1 + (1 - ends[count + 1]) * ahead[count + 1]
    numbers = np.arange(size)
    finished = float(done.sum())
    spent = float(done @ numbers)
    return Forecast(
        per_task=spent / finished if finished else float(ahead[0]),
        judgments_to_go=round(float(waiting @ ahead[:size])),
    )


def _ends(done: Floats, waiting: Floats, least: int, most: int) -> Floats:
    """[judgments]: the chance that a task retires when it has so many; at the maximum it does."""
    numbers = np.arange(len(done))
    # An open task with the minimum or more was decided upon and went on; with less it has yet to be.
    went_on = waiting[::-1].cumsum()[::-1] - np.where(numbers < least, waiting, 0)
    seen = done[::-1].cumsum()[::-1] + went_on
    bounded = (numbers >= least) & (numbers < most)
    total = float(seen[bounded].sum())
    alike = 1 / np.maximum(most - numbers + 1, 1)
    usual = (done[bounded].sum() + OWN_SHARE) / (total + OWN_SHARE / alike[least]) if total else alike
    shrunk = (done + OWN_SHARE * usual) / (seen + OWN_SHARE)
    early = np.where(seen > 0, done / np.maximum(seen, 1), 0.0)  # where a stage of its own asks fewer
    return np.where(numbers >= most, 1.0, np.where(numbers < least, early, shrunk))
