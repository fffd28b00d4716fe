"""What every aggregator owes its callers, checked over all entries of AGGREGATORS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labeling.aggregation
from labeling.aggregation import AGGREGATORS, DEFAULT, Votes

# The default averages over draws from a fixed seed: renaming changes the draws, and so the last digits.
TOLERANCE = {"adaptive": 0.15}
EVERY = pytest.mark.parametrize("name", sorted(AGGREGATORS))


def crowd(seed: int = 0, tasks: int = 120, workers: int = 15, classes: int = 3, each: int = 5) -> Votes:
    """Workers of different skill; no task is exactly tied often enough to matter."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=tasks)
    skill = rng.uniform(0.55, 0.95, workers)
    task = np.repeat(np.arange(tasks), each)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)])
    wrong = (truth[task] + rng.integers(1, classes, len(task))) % classes
    label = np.where(rng.random(len(task)) < skill[worker], truth[task], wrong)
    return Votes.of(task, worker, label, n_tasks=tasks, n_workers=workers, n_classes=classes)


@EVERY
def test_posteriors_are_distributions_and_skills_are_chances(name):
    votes = crowd()
    fit = AGGREGATORS[name](votes)
    assert fit.posterior.shape == (120, 3)
    assert np.allclose(fit.posterior.sum(axis=1), 1)
    assert fit.posterior.min() >= 0
    assert fit.accuracy.shape == (15,)
    assert ((fit.accuracy >= 0) & (fit.accuracy <= 1)).all()
    assert np.allclose(fit.prior.sum(), 1)
    assert np.allclose(fit.pooled.sum(axis=1), 1)
    if fit.confusion is not None:
        assert fit.confusion.shape == (15, 3, 3)
        assert np.allclose(fit.confusion.sum(axis=2), 1, atol=1e-6)


@EVERY
def test_the_order_of_votes_does_not_matter(name):
    votes = crowd()
    order = np.random.default_rng(1).permutation(len(votes))
    shuffled = Votes.of(
        votes.task[order], votes.worker[order], votes.label[order], n_tasks=120, n_workers=15, n_classes=3
    )
    assert np.allclose(AGGREGATORS[name](shuffled).posterior, AGGREGATORS[name](votes).posterior, atol=1e-6)


@EVERY
@pytest.mark.usefixtures("long_chains")
def test_renaming_tasks_workers_and_labels_renames_the_result(name):
    votes, rng = crowd(classes=2, seed=3), np.random.default_rng(2)  # five votes on two classes: never a tie
    tasks, workers, labels = rng.permutation(120), rng.permutation(15), np.array([1, 0])
    renamed = Votes.of(
        tasks[votes.task], workers[votes.worker], labels[votes.label], n_tasks=120, n_workers=15, n_classes=2
    )
    plain, other = AGGREGATORS[name](votes), AGGREGATORS[name](renamed)
    near = TOLERANCE.get(name, 1e-5)
    assert np.allclose(other.posterior[tasks][:, labels], plain.posterior, atol=near)
    assert np.allclose(other.accuracy[workers], plain.accuracy, atol=near)


@EVERY
def test_unanimous_workers_are_believed(name):
    task, worker = np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20)
    fit = AGGREGATORS[name](Votes.of(task, worker, task % 2, n_classes=2))
    assert (fit.label == np.arange(20) % 2).all()
    assert (fit.confidence > 0.9).all()
    assert (fit.accuracy > 0.7).all()


@EVERY
def test_a_single_worker_is_taken_at_its_word(name):
    fit = AGGREGATORS[name](Votes.of(np.arange(6), np.zeros(6, int), [0, 1, 2, 0, 1, 2], n_classes=3))
    assert fit.label.tolist() == [0, 1, 2, 0, 1, 2]


@EVERY
def test_no_votes_give_no_opinion(name):
    fit = AGGREGATORS[name](Votes.of([], [], [], n_tasks=4, n_workers=2, n_classes=3))
    assert np.allclose(fit.posterior, 1 / 3)
    assert AGGREGATORS[name](Votes.of([], [], [], n_classes=2)).posterior.shape == (0, 2)


@EVERY
def test_a_tie_between_equals_stays_a_tie(name):
    """Two workers who mirror each other: nothing tells which of them is right."""
    fit = AGGREGATORS[name](Votes.of([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0], n_classes=2))
    assert np.allclose(fit.posterior, 0.5, atol=2 * TOLERANCE.get(name, 1e-6))


@EVERY
def test_one_class_is_certain(name):
    fit = AGGREGATORS[name](Votes.of([0, 0, 1], [0, 1, 0], [0, 0, 0], n_classes=1))
    assert np.allclose(fit.posterior, 1)


@EVERY
def test_gold_tasks_keep_their_truth(name):
    votes = crowd()
    known = np.full(120, -1)
    known[:10] = 2
    fit = AGGREGATORS[name](Votes.of(votes.task, votes.worker, votes.label, n_classes=3, known=known))
    assert (fit.posterior[:10] == [0, 0, 1]).all()


@EVERY
def test_every_aggregator_is_one_file_with_its_source(name):
    file = Path(labeling.aggregation.__file__).parent / f"{name}.py"
    text = file.read_text()
    assert text.startswith('"""')
    assert name == "majority" or "Source: " in text


def test_the_default_is_one_of_them():
    assert DEFAULT in AGGREGATORS


@pytest.mark.parametrize(
    ("task", "worker", "label", "extra"),
    [
        ([0, 1], [0], [0], {}),
        ([0], [0], [-1], {}),
        ([0], [0], [5], {"n_classes": 3}),
        ([0], [0], [0], {"n_classes": 2, "known": [2]}),
    ],
)
def test_votes_that_cannot_be_are_refused(task, worker, label, extra):
    with pytest.raises(ValueError, match="expected"):
        Votes.of(task, worker, label, **extra)
