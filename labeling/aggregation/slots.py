"""Questions with more categories than a crowd can be learned over: ImageNet has 20,000.

No crowd says enough about each pair of so many categories, and arrays of tasks times categories, or of categories
times categories, do not fit into memory. What can be known of a task is which of its labels people agree on, and of a
worker how often the others agree. So each task becomes a question of its own, among the labels that somebody named
there, laid into ``width`` slots. Which label lies in which slot is drawn, so that slots mean nothing; the empty ones
stand for all that nobody named. Every aggregator runs on slots as it is, in memory of tasks times slots.

Errors are thereby spread over ``width - 1`` labels and not over thousands. That is nearer to what people do, who
confuse look-alikes: two of a mind are strong evidence, but not certainty.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from labeling.aggregation.votes import UNKNOWN, Ints, Votes

MANY = 100  # categories; no question with fewer is wide
THIN = 10  # so many cells of even the crowd's own matrix to a vote say nothing
MOST_CELLS = 20_000_000  # of tasks x categories, or workers x categories x categories
LEAST_WIDTH = 5


@dataclass(frozen=True, eq=False)
class Slots:
    """Votes on slots, and what lies in them.

    Attributes:
        votes: The same votes and gold, each label replaced by its slot; ``n_classes`` is the width.
        label: int [n_tasks, width], the label in each slot, UNKNOWN where none is.
    """

    votes: Votes
    label: Ints

    @property
    def width(self) -> int:
        """How many slots each task has."""
        return self.votes.n_classes


def is_wide(votes: Votes) -> bool:
    """Whether matrices over all categories would be guesses, or too large."""
    cells = votes.n_classes**2
    return votes.n_classes > MANY and (
        cells > THIN * len(votes)
        or votes.n_workers * cells > MOST_CELLS
        or votes.n_tasks * votes.n_classes > MOST_CELLS
    )


def slotted(votes: Votes) -> Slots:
    """Lay each task's labels into slots: one more than any task has labels, and at least LEAST_WIDTH."""
    gold = np.flatnonzero(votes.known != UNKNOWN)
    named = np.concatenate([votes.task * votes.n_classes + votes.label, gold * votes.n_classes + votes.known[gold]])
    cells, cell = np.unique(named, return_inverse=True)  # ordered by task, then by label
    task, label = np.divmod(cells, votes.n_classes)
    count = np.bincount(task, minlength=votes.n_tasks)
    width = max(int(count.max(initial=0)) + 1, LEAST_WIDTH)
    place = np.arange(len(cells)) - (np.cumsum(count) - count)[task]  # 0, 1, … within each task
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(width), (votes.n_tasks, 1)), axis=1)
    slot = drawn[task, place]
    labels = np.full((votes.n_tasks, width), UNKNOWN)
    labels[task, slot] = label
    known = np.full(votes.n_tasks, UNKNOWN)
    known[gold] = slot[cell[len(votes) :]]
    said = slot[cell[: len(votes)]]
    return Slots(replace(votes, label=said, n_classes=width, known=known), labels)


def filled(labels: Iterable[str], width: int) -> tuple[str, ...]:
    """One task's labels and the empty slots beside them, "" each: at least one."""
    named = tuple(labels)
    return named + ("",) * max(width - len(named), 1)
