"""What must hold of any votes at all, over every aggregator: drawn by hypothesis, and the shapes that break methods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.aggregation import AGGREGATORS, Votes

EVERY = pytest.mark.parametrize("name", sorted(AGGREGATORS))
EXACT = pytest.mark.parametrize("name", sorted(set(AGGREGATORS) - {"adaptive"}))  # that one averages over draws


@st.composite
def crowds(draw: st.DrawFn) -> Votes:
    """Up to 8 tasks, 5 workers and 4 classes; tasks and workers without a vote, and gold, come up too."""
    tasks, workers, classes = (draw(st.integers(1, most)) for most in (8, 5, 4))
    said = draw(st.lists(st.integers(-1, classes - 1), min_size=tasks * workers, max_size=tasks * workers))
    rows = [(n // workers, n % workers, label) for n, label in enumerate(said) if label >= 0]
    known = (
        draw(st.lists(st.integers(-1, classes - 1), min_size=tasks, max_size=tasks)) if draw(st.booleans()) else None
    )
    task, worker, label = ([row[place] for row in rows] for place in range(3))
    return Votes.of(task, worker, label, n_tasks=tasks, n_workers=workers, n_classes=classes, known=known)


@EVERY
@settings(max_examples=4, deadline=None)
@given(votes=crowds())
def test_any_votes_give_distributions(name, votes):
    fit = AGGREGATORS[name](votes)
    assert fit.posterior.shape == (votes.n_tasks, votes.n_classes)
    assert np.isfinite(fit.posterior).all()
    assert np.allclose(fit.posterior.sum(axis=1), 1)
    assert ((fit.accuracy >= 0) & (fit.accuracy <= 1)).all()
    assert np.allclose(fit.pooled.sum(axis=1), 1)
    gold = votes.known >= 0
    assert (fit.posterior[gold].argmax(axis=1) == votes.known[gold]).all()


@EXACT
@settings(max_examples=30, deadline=None)
@given(votes=crowds(), seed=st.integers(0, 100))
def test_names_of_tasks_and_workers_carry_no_meaning(name, votes, seed):
    rng = np.random.default_rng(seed)
    tasks, workers = rng.permutation(votes.n_tasks), rng.permutation(votes.n_workers)
    known = np.empty_like(votes.known)
    known[tasks] = votes.known
    sizes = {"n_tasks": votes.n_tasks, "n_workers": votes.n_workers, "n_classes": votes.n_classes}
    renamed = Votes.of(tasks[votes.task], workers[votes.worker], votes.label, known=known, **sizes)
    plain, other = AGGREGATORS[name](votes), AGGREGATORS[name](renamed)
    assert np.allclose(other.posterior[tasks], plain.posterior, atol=1e-6)
    assert np.allclose(other.accuracy[workers], plain.accuracy, atol=1e-6)


@EVERY
def test_one_judgment_is_believed(name):
    fit = AGGREGATORS[name](Votes.of([1], [0], [2], n_tasks=3, n_workers=2, n_classes=4))
    assert fit.label[1] == 2
    assert fit.posterior[0] == pytest.approx(fit.posterior[2])  # of the others nothing was said


@EVERY
def test_two_crowds_that_share_nothing_are_both_heard(name):
    """Tasks 0-19 were seen by workers 0-2 alone, tasks 20-39 by workers 3-5 alone; all are of one mind."""
    task = np.repeat(np.arange(40), 3)
    worker = np.tile(np.arange(3), 40) + 3 * (task >= 20)
    fit = AGGREGATORS[name](Votes.of(task, worker, task % 2, n_classes=2))
    assert (fit.label == np.arange(40) % 2).all()


@EVERY
def test_five_hundred_classes_of_which_each_is_seen_once(name):
    task = np.repeat(np.arange(500), 3)
    worker = np.tile(np.arange(3), 500)
    label = np.where((worker == 2) & (task % 10 == 0), (task + 1) % 500, task)
    fit = AGGREGATORS[name](Votes.of(task, worker, label, n_classes=500))
    assert (fit.label == np.arange(500)).mean() >= 0.99


def test_tasks_are_summed_in_parts_that_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    task = np.sort(rng.choice(30, 80))  # some of the 30 have no vote
    votes = Votes.of(task, np.arange(80), rng.integers(3, size=80), n_tasks=30)
    whole = AGGREGATORS["adaptive"](votes)
    for size in (1, 7):
        monkeypatch.setattr("labeling.aggregation.hierarchy.PART", size)
        assert (AGGREGATORS["adaptive"](votes).posterior == whole.posterior).all()
