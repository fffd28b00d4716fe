"""A rare class is not where disputed tasks go."""

from __future__ import annotations

import numpy as np

from bench.aggregators import accuracy
from labeling.aggregation import AGGREGATORS, Votes
from labeling.aggregation.hierarchy import Crowd

RARE = 4


def disputed(seed: int) -> tuple[Votes, np.ndarray]:
    """Each third of answers on a fifth of the tasks is right, and the last of five classes is rare and often missed."""
    rng = np.random.default_rng(seed)
    tasks, workers, each = 200, 250, 5
    truth = rng.choice(5, tasks, p=[0.2425] * 4 + [0.03])
    task = np.repeat(np.arange(tasks), each)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)])
    skill = np.where(truth == RARE, 0.35, np.where(rng.random(tasks) < 0.2, 0.45, 0.92))
    right = rng.random(len(task)) < skill[task]
    wrong = (truth[task] + rng.integers(1, 5, len(task))) % 5
    return Votes.of(task, worker, np.where(right, truth[task], wrong), n_tasks=tasks, n_classes=5), truth


def test_a_rare_class_does_not_become_the_home_of_what_is_disputed() -> None:
    votes, truth = disputed(1)
    fits = {name: AGGREGATORS[name](votes) for name in ("adaptive", "majority")}
    assert accuracy(fits["adaptive"].posterior, truth) >= accuracy(fits["majority"].posterior, truth) - 0.03
    assert fits["adaptive"].prior[RARE] < 0.12


def test_only_what_somebody_named_teaches_where_several_differ() -> None:
    task, label = [0, 0, 0, 1, 1, 1, 2, 2], [0, 0, 1, 1, 1, 1, 0, 1]  # a dispute, one voice, and only two who differ
    votes = Votes.of(task, [0, 1, 2, 0, 1, 2, 0, 1], label, n_classes=3, n_tasks=4)
    crowd = Crowd(votes, np.random.default_rng(0))
    crowd.posterior = np.tile([0.0, 0.0, 1.0], (4, 1))
    taught = {tuple(crowd._draw_truth()) for _ in range(30)}
    assert {row[0] for row in taught} == {0, 1}
    assert {row[1:] for row in taught} == {(2, 2, 2)}
