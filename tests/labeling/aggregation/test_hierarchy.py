"""The model under the adaptive aggregator: its likelihoods by scipy's distributions, its parts by their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, gammaln

from labeling.aggregation import Votes
from labeling.aggregation.adaptive import draws, sweeps
from labeling.aggregation.grids import (
    EVENNESS,
    HABITS,
    SPREADS,
    STRENGTHS,
    of_evenness,
    of_habits,
    of_spreads,
    of_strengths,
)
from labeling.aggregation.hierarchy import EVEN_FIRST, Crowd
from labeling.aggregation.murky import Murky

pytestmark = pytest.mark.usefixtures("long_chains")


def ways(counts: np.ndarray) -> float:
    """The log number of orders in which so many of each may come, which our likelihoods leave out."""
    return float(gammaln(counts.sum() + 1) - gammaln(counts + 1).sum())


def dirichlet(counts: np.ndarray, alpha: np.ndarray) -> float:
    return float(stats.dirichlet_multinomial.logpmf(counts, alpha, int(counts.sum()))) - ways(counts)


def test_habits_are_beta_binomial():
    times, said = np.array([0, 3, 10]), np.array([5, 8, 10])
    for (one, other), found in zip(HABITS, of_habits(times.astype(float), said.astype(float)), strict=True):
        each = stats.betabinom.logpmf(times, said, one, other)
        orders = [ways(np.array([yes, total - yes])) for yes, total in zip(times, said, strict=True)]
        assert found == pytest.approx(each.sum() - sum(orders))


def test_misses_and_own_matrices_and_classes_are_dirichlet_multinomial():
    rng = np.random.default_rng(0)
    wrong = rng.integers(6, size=(4, 4)) * ~np.eye(4, dtype=bool)
    for spread, found in zip(SPREADS, of_spreads(wrong.astype(float)), strict=True):
        rows = [np.delete(row, own) for own, row in enumerate(wrong)]
        assert found == pytest.approx(sum(dirichlet(row, np.full(3, spread / 3)) for row in rows))
    counts, predicted = rng.integers(4, size=(2, 3, 3)), rng.dirichlet(np.ones(3), (2, 3))
    for strength, found in zip(STRENGTHS, of_strengths(counts.astype(float), predicted), strict=True):
        for own, row, expected in zip(found, counts, predicted, strict=True):
            assert own == pytest.approx(sum(dirichlet(*pair) for pair in zip(row, strength * expected, strict=True)))
    tasks = np.array([40, 3, 0])
    for even, found in zip(EVENNESS, of_evenness(tasks.astype(float)), strict=True):
        assert found == pytest.approx(dirichlet(tasks, np.full(3, even)), abs=1e-6)


@pytest.fixture
def crowd() -> Crowd:
    """Thirty tasks of three classes, the first of them gold and the last without a vote; worker 6 said nothing."""
    rng = np.random.default_rng(4)
    rows = [(task, worker) for task in range(29) for worker in rng.choice(6, 4, replace=False)]
    task, worker = np.array(rows)[rng.permutation(len(rows))].T
    label = np.where(rng.random(len(task)) < 0.7, task % 3, rng.integers(3, size=len(task)))
    votes = Votes.of(task, worker, label, n_tasks=30, n_workers=7, n_classes=3, known=[1] + [-1] * 29)
    crowd = Crowd(votes, np.random.default_rng(0))
    for _ in range(5):
        crowd.sweep()
    return crowd


def by_bayes(crowd: Crowd, chance: np.ndarray, task: int) -> np.ndarray:
    """The chance of each class, every vote multiplied in; ``chance`` [workers, truth, label]."""
    votes, found = crowd.votes, crowd.prior.copy()
    for one in np.flatnonzero(votes.task == task):
        found *= chance[votes.worker[one], :, votes.label[one]]
    return found / found.sum()


def test_a_task_s_posterior_is_bayes_rule_vote_by_vote(crowd: Crowd):
    matrices = crowd.expected_matrices()
    crowd._weigh(np.log(matrices))
    assert crowd.posterior[0].tolist() == [0, 1, 0]
    for task in range(1, 30):
        assert crowd.posterior[task] == pytest.approx(by_bayes(crowd, matrices, task))


def test_a_murky_task_s_posterior_is_a_mixture_of_looking_and_of_guessing(crowd: Crowd):
    murky = Murky(crowd, np.random.default_rng(0))
    murky.share, murky.ease = 0.3, 0.2
    matrices = crowd.expected_matrices()
    murky._weigh(np.log(matrices))
    blurred = murky.ease * matrices + (1 - murky.ease) * murky.blindly
    for task in range(1, 30):
        said = np.flatnonzero(crowd.votes.task == task)
        worker, label = crowd.votes.worker[said], crowd.votes.label[said]
        clear, guessed = (chance[worker, :, label].prod(axis=0) for chance in (matrices, blurred))
        both = crowd.prior * (0.7 * clear + 0.3 * guessed)
        assert murky.posterior[task] == pytest.approx(both / both.sum())
        assert murky.murk[task] == pytest.approx(0.3 * guessed / (0.7 * clear + 0.3 * guessed))


def test_ability_shifts_the_hits_and_extra_misses_are_even(crowd: Crowd):
    crowd.level, crowd.ability = np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.5, -1.0, 0, 0, 0, -9])
    crowd.misses = np.array([[0, 0.9, 0.1], [0.5, 0, 0.5], [0.2, 0.8, 0]])
    found = crowd._skilled()
    usual = expit(crowd.level)
    for worker, truth in itertools.product(range(3), range(3)):
        hit = expit(crowd.level[truth] + crowd.ability[worker])
        assert found[worker, truth, truth] == pytest.approx(hit)
        # As much of the way from the crowd to guessing as the worker is worse, its misses are even.
        worse = np.clip((usual[truth] - hit) / (usual[truth] - 1 / 3), 0, 1)
        shares = (1 - worse) * (1 - usual[truth]) * crowd.misses[truth] + worse / 3
        shares[truth] = 0
        others = [label for label in range(3) if label != truth]
        assert found[worker, truth, others] == pytest.approx((1 - hit) * shares[others] / shares.sum())
    assert found[6, 0, 1] == pytest.approx(found[6, 0, 2], rel=0.01)  # who guesses does not make the usual mistakes


def test_a_worker_s_expected_matrix_is_what_was_said_and_what_was_predicted_by_the_strength(crowd: Crowd):
    crowd.counts = np.zeros_like(crowd.counts)
    crowd.counts[0, 1] = [3, 5, 0]
    crowd.strength = np.full(7, 12.0)
    share, habit, skilled = crowd.habit_of[0], crowd.habit[0], crowd.skilled[0, 1]
    predicted = (1 - share) * skilled + share * habit
    assert crowd.expected_matrices()[0, 1] == pytest.approx((np.array([3, 5, 0]) + 12 * predicted) / 20)


@pytest.mark.parametrize(
    ("work", "expected"),
    [(1, (60, 400)), (50_000, (60, 400)), (100_000, (30, 200)), (400_000, (15, 50)), (10**9, (15, 25))],
)
def test_a_large_crowd_is_swept_less_often(work, expected):
    assert sweeps(work) == expected


def test_a_source_of_labels_is_believed_as_far_as_the_few_that_people_checked_are_right():
    rng = np.random.default_rng(0)
    labeled, checked = 10_500, 500
    truth = rng.integers(2, size=labeled)
    task = np.append(np.arange(labeled), np.repeat(np.arange(checked), 3))
    worker = np.append(np.zeros(labeled, int), np.tile([1, 2, 3], checked))
    right = rng.random(len(task)) < np.where(worker == 0, 0.8, 0.9)
    votes = Votes.of(task, worker, np.where(right, truth[task], 1 - truth[task]))
    sure = [crowd.posterior[checked:].max(axis=1).mean() for crowd in draws(votes, EVEN_FIRST, 15, 10)]
    assert np.mean(sure) == pytest.approx(0.8, abs=0.03)  # .88 where its word is taken first


def test_truths_and_points_of_a_grid_are_drawn_as_often_as_they_are_likely(crowd: Crowd):
    start = crowd.posterior.copy()
    drawn = np.zeros_like(start)
    for _ in range(2000):
        drawn[np.arange(30), crowd._draw_truth()] += 1 / 2000
    allowed = np.where(crowd.unnamed, 0, start)
    assert drawn == pytest.approx(allowed / allowed.sum(axis=1, keepdims=True), abs=0.05)
    picked = np.bincount([crowd._pick(np.log([0.5, 0.2, 0.3])) for _ in range(2000)]) / 2000
    assert picked == pytest.approx([0.5, 0.2, 0.3], abs=0.04)
