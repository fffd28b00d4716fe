"""Drawn crowds of many kinds, with their truth: what an aggregator must stand. Each is one line of SETS.

The kinds follow what is reported of real crowds: workers of one coin, spammers who press at random or always the same,
adversaries, errors that fall on one side, full confusion matrices, classes that come in look-alike pairs, tasks of
unequal difficulty, tasks with a decoy that many fall for, tasks that are mostly guessed at, rare classes, few tasks,
very unequal diligence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from labeling.aggregation import Votes


class Drawn(NamedTuple):
    votes: Votes
    truth: np.ndarray


class Plan(NamedTuple):
    """How a crowd is drawn; ``low`` to ``high`` is the range of accuracies, ``odd`` the share of odd workers."""

    kind: str
    classes: int = 2
    tasks: int = 600
    workers: int = 60
    each: int = 5
    low: float = 0.5
    high: float = 0.95
    odd: float = 0.3
    rare: float | None = None  # share of all classes but the first
    last: float | None = None  # share of the last class
    unequal: bool = False


SETS: dict[str, Plan] = {
    "coin, 2 classes": Plan("coin"),
    "coin, 4 classes, 3 each": Plan("coin", 4, workers=150, each=3),
    "coin, 10 classes": Plan("coin", 10, workers=200),
    "coin, all alike": Plan("coin", workers=300, low=0.65, high=0.75),
    "coin, 60 tasks": Plan("coin", tasks=60, workers=20),
    "coin, 50 classes": Plan("coin", 50, tasks=1000, workers=100, each=3),
    "coin, rare class": Plan("coin", tasks=2000, workers=150, each=3, low=0.7, rare=0.1),
    "coin, unequal diligence": Plan("coin", 10, tasks=700, workers=44, each=4, low=0.3, high=0.9, unequal=True),
    "40 % spammers, 2 classes": Plan("spam", each=7, odd=0.4),
    "40 % spammers, 5 classes": Plan("spam", 5, low=0.6, odd=0.4),
    "adversaries": Plan("adversary", 4, low=0.6, odd=0.15),
    "one-sided": Plan("one-sided", low=0.5),
    "one-sided, rare": Plan("one-sided", tasks=1500, low=0.5, rare=0.15),
    "one-sided, most missed": Plan("one-sided", tasks=300, workers=40, each=9, low=0.35),
    "own matrices": Plan("matrices", 4, workers=30, odd=3),
    "own matrices, 10 classes": Plan("matrices", 10, workers=30, odd=5),
    "own matrices, 3 each": Plan("matrices", 3, workers=150, each=3, odd=4),
    "look-alike pairs": Plan("pairs", 20, tasks=1000, workers=40),
    "difficult tasks": Plan("difficult", 2, each=7),
    "difficult tasks, 5 classes": Plan("difficult", 5, workers=100),
    "decoys": Plan("decoys", 4, low=0.7, odd=0.2),
    "murky tasks, rare class": Plan("murky", 5, tasks=300, workers=150, each=10, low=0.8, last=0.04),
}

# Crowds too small to be known: (tasks, workers, judgments a task) of each kind.
SMALL_SIZES = ((15, 4, 2), (30, 6, 2), (59, 10, 2), (59, 30, 2), (20, 5, 3), (59, 12, 3))
SMALL: dict[str, Plan] = {
    "coin, 2 classes": Plan("coin"),
    "coin, 5 classes": Plan("coin", 5, low=0.4),
    "coin, all alike": Plan("coin", low=0.6, high=0.75),
    "coin, rare class": Plan("coin", low=0.7, rare=0.15),
    "spammers": Plan("spam", 3),
    "one-sided": Plan("one-sided"),
    "adversaries": Plan("adversary", low=0.6, odd=0.15),
    "own matrices": Plan("matrices", 4, odd=3),
    "difficult tasks": Plan("difficult"),
    "decoys": Plan("decoys", 4, low=0.7, odd=0.2),
    "unequal diligence": Plan("coin", 3, low=0.4, unequal=True),
}


def draw(plan: Plan, seed: int = 0) -> Drawn:
    """Draw one crowd; the same seed gives the same crowd."""
    rng = np.random.default_rng(seed)
    share = np.full(plan.classes, 1 / plan.classes)
    if plan.rare is not None:
        share = np.array([1 - plan.rare] + [plan.rare / (plan.classes - 1)] * (plan.classes - 1))
    if plan.last is not None:
        share = np.array([(1 - plan.last) / (plan.classes - 1)] * (plan.classes - 1) + [plan.last])
    truth = rng.choice(plan.classes, plan.tasks, p=share)
    diligence = rng.pareto(1.2, plan.workers) + 0.3 if plan.unequal else np.ones(plan.workers)
    diligence = diligence / diligence.sum()
    task = np.repeat(np.arange(plan.tasks), plan.each)
    worker = np.concatenate(
        [rng.choice(plan.workers, plan.each, replace=False, p=diligence) for _ in range(plan.tasks)]
    )
    label = KINDS[plan.kind](plan, rng, truth, task, worker)
    votes = Votes.of(task, worker, label, n_tasks=plan.tasks, n_workers=plan.workers, n_classes=plan.classes)
    return Drawn(votes, truth)


def _coins(skill: Any, classes: int) -> np.ndarray:
    same = np.eye(classes, dtype=bool)
    skill = np.asarray(skill)
    return np.where(same, skill[:, None, None], ((1 - skill) / (classes - 1))[:, None, None])


def _say(matrices: np.ndarray, rng: np.random.Generator, truth: np.ndarray, worker: np.ndarray) -> np.ndarray:
    return (matrices[worker, truth].cumsum(axis=1) > rng.random((len(worker), 1))).argmax(axis=1)


def _coin(plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray) -> np.ndarray:
    return _say(_coins(rng.uniform(plan.low, plan.high, plan.workers), plan.classes), rng, truth[task], worker)


def _spam(plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray) -> np.ndarray:
    matrices = _coins(rng.uniform(plan.low, plan.high, plan.workers), plan.classes)
    for who in np.flatnonzero(rng.random(plan.workers) < plan.odd):
        habit = np.full(plan.classes, 1.0 if rng.random() < 0.5 else 0.02)
        habit[rng.integers(plan.classes)] += 1 if habit[0] < 1 else 0
        matrices[who] = habit / habit.sum()
    return _say(matrices, rng, truth[task], worker)


def _adversary(
    plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray
) -> np.ndarray:
    skill = rng.uniform(plan.low, plan.high, plan.workers)
    skill[rng.random(plan.workers) < plan.odd] = 0.1
    return _say(_coins(skill, plan.classes), rng, truth[task], worker)


def _one_sided(
    plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray
) -> np.ndarray:
    hit = rng.beta(plan.low * 6, (1 - plan.low) * 6, plan.workers)
    false = rng.beta(0.3, 8, plan.workers)
    matrices = np.stack([np.stack([1 - false, false], axis=1), np.stack([1 - hit, hit], axis=1)], axis=1)
    return _say(matrices, rng, truth[task], worker)


def _matrices(
    plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray
) -> np.ndarray:
    weight = np.where(np.eye(plan.classes, dtype=bool), plan.odd, 0.6)
    rows = rng.standard_gamma(weight, size=(plan.workers, plan.classes, plan.classes))
    return _say(rows / rows.sum(axis=2, keepdims=True), rng, truth[task], worker)


def _pairs(plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray) -> np.ndarray:
    look = np.full((plan.classes, plan.classes), 0.02 / plan.classes)
    numbers = np.arange(plan.classes)
    look[numbers, numbers] += 0.7
    look[numbers, numbers ^ 1] += 0.25
    look /= look.sum(axis=1, keepdims=True)
    careless = rng.uniform(0, 0.5, plan.workers)[:, None, None]
    return _say((1 - careless) * look + careless / plan.classes, rng, truth[task], worker)


def _difficult(
    plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray
) -> np.ndarray:
    ability, ease = rng.normal(1.2, 0.8, plan.workers), np.exp(rng.normal(0, 1, plan.tasks))
    sees = np.clip(2 / (1 + np.exp(-ability[worker] * ease[task])) - 1, -0.2, 1)
    right = rng.random(len(task)) < 1 / plan.classes + (1 - 1 / plan.classes) * sees
    wrong = (truth[task] + rng.integers(1, plan.classes, len(task))) % plan.classes
    return np.where(right, truth[task], wrong)


def _decoys(
    plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray
) -> np.ndarray:
    label = _coin(plan, rng, truth, task, worker)
    decoy = (truth + rng.integers(1, plan.classes, plan.tasks)) % plan.classes
    hard = rng.random(plan.tasks) < plan.odd
    falls = hard[task] & (rng.random(len(task)) < 0.55)
    return np.where(falls, decoy[task], label)


def _murky(plan: Plan, rng: np.random.Generator, truth: np.ndarray, task: np.ndarray, worker: np.ndarray) -> np.ndarray:
    """Some tasks are mostly guessed at, and the last class is mostly missed."""
    matrices = _coins(rng.uniform(plan.low, plan.high, plan.workers), plan.classes)
    matrices[:, -1] = 0.6 / (plan.classes - 1)
    matrices[:, -1, -1] = 0.4
    blind = (rng.random(plan.tasks) < plan.odd)[task] & (rng.random(len(task)) < 0.65)
    guess = rng.choice(plan.classes, len(task), p=rng.dirichlet(np.full(plan.classes, 5.0)))
    return np.where(blind, guess, _say(matrices, rng, truth[task], worker))


KINDS: dict[str, Callable[..., np.ndarray]] = {
    "coin": _coin,
    "spam": _spam,
    "adversary": _adversary,
    "one-sided": _one_sided,
    "matrices": _matrices,
    "pairs": _pairs,
    "difficult": _difficult,
    "decoys": _decoys,
    "murky": _murky,
}
