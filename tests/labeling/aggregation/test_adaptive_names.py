"""The adaptive aggregator does not exchange the names of two classes."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.aggregation import AGGREGATORS, Votes
from labeling.aggregation.adaptive import names_switched


@pytest.mark.parametrize(("tasks", "workers"), [(59, 1), (30, 5)])
def test_one_vote_a_task_is_taken_at_its_word(tasks: int, workers: int) -> None:
    task = np.arange(tasks)
    label = task % 2
    votes = Votes.of(task, np.zeros(tasks, int), label, n_classes=2, n_tasks=tasks, n_workers=workers)

    assert (AGGREGATORS["adaptive"](votes).posterior.argmax(axis=1) == label).all()


def test_exchanged_names_are_noticed_and_honest_doubt_is_not() -> None:
    said = np.eye(3)[np.arange(30) % 3]

    assert names_switched(said[:, [1, 0, 2]], said)
    assert not names_switched(said, said)
    assert not names_switched(np.full((30, 3), 1 / 3), said)
    for tasks, swapped in ((30, 0.52), (3, 0.53)):  # by less than a tenth, or by less than half a task
        doubt = np.eye(3)[np.arange(tasks) % 3]
        assert not names_switched((1 - swapped) * doubt + swapped * doubt[:, [1, 0, 2]], doubt)
