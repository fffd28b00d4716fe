"""Each draw of the Gibbs sampler under the adaptive aggregator, against the distribution that it should come from.

Many draws are made from one state, and their means and spreads compared with what scipy or a sum spelled out says.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit, log_expit, softmax

from labeling.aggregation import Votes
from labeling.aggregation.grids import EVENNESS, HABITS, SPREADS, STRENGTHS, of_evenness, of_spreads, of_strengths
from labeling.aggregation.hierarchy import Crowd
from labeling.aggregation.murky import Murky

DRAWS = 1500


@pytest.fixture
def crowd() -> Crowd:
    """Thirty tasks of three classes, four votes each, the last without any; worker 6 said nothing."""
    rng = np.random.default_rng(4)
    rows = [(task, worker) for task in range(29) for worker in rng.choice(6, 4, replace=False)]
    task, worker = np.array(rows).T
    label = np.where(rng.random(len(task)) < 0.6, task % 3, rng.integers(3, size=len(task)))
    crowd = Crowd(Votes.of(task, worker, label, n_tasks=30, n_workers=7), np.random.default_rng(0))
    for _ in range(5):
        crowd.sweep()
    crowd.habit_of, crowd.habit = np.full(7, 0.4), rng.dirichlet(np.full(3, 3.0), 7)
    crowd.habit_beta, crowd.strength_share = (1.0, 4.0), rng.dirichlet(np.ones(len(STRENGTHS)))
    crowd.level, crowd.level_mean, crowd.level_variance = np.array([0.2, 1.0, 2.0]), 1.3, 0.2
    crowd.ability, crowd.ability_variance = np.zeros(7), 0.4
    crowd.strength = np.full(7, 4.0)
    return crowd


def drawn(crowd: Crowd, draw: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """The crowd after each draw, always from the same state, and what the draw returned."""
    for _ in range(DRAWS):
        now = copy.copy(crowd)  # the draws put new arrays where old ones were
        yield now, draw(now)


def test_whoever_said_something_is_heard():
    assert Crowd(Votes.of([0, 0], [0, 1], [0, 1], n_workers=3), np.random.default_rng(0)).heard.tolist() == [1, 1, 0]


def test_who_answers_by_habit_and_which_is_drawn_as_the_model_says(crowd: Crowd):
    truth = np.arange(30) % 3
    at = truth[crowd.task]
    blind = 0.4 * crowd.habit[crowd.worker, crowd.label]
    looks = 1 - blind / (blind + 0.6 * crowd.skilled[crowd.worker, at, crowd.label])
    said, expected = np.zeros((7, 3)), np.zeros((7, 3, 3))
    np.add.at(said, (crowd.worker, crowd.label), 1)
    np.add.at(expected, (crowd.worker, at, crowd.label), looks)
    looked, share, habit = [], [], []
    for now, counts in drawn(crowd, lambda each: each._draw_habits(truth)):
        by_habit = said - counts.sum(axis=1)
        looked.append(counts)
        share.append(now.habit_of - (1 + by_habit.sum(axis=1)) / (1 + 4 + said.sum(axis=1)))
        habit.append(now.habit - (by_habit + 1 / 3) / (by_habit.sum(axis=1, keepdims=True) + 1))
        assert now.habit_beta in {tuple(row) for row in HABITS.tolist()}
    assert np.mean(looked, axis=0) == pytest.approx(expected, abs=0.15)
    assert np.mean(share, axis=0) == pytest.approx(0, abs=0.02)
    assert np.mean(habit, axis=0) == pytest.approx(0, abs=0.04)


def normal(
    right: np.ndarray, total: np.ndarray, other: np.ndarray, mean: float, variance: float
) -> tuple[float, float]:
    """Mode and curvature of hits whose logit is what is looked for and ``other``, under a normal prior."""

    def surprise(shift: float) -> float:
        fits = right * log_expit(shift + other) + (total - right) * log_expit(-shift - other)
        return -float(fits.sum()) + (shift - mean) ** 2 / 2 / variance

    best = float(optimize.minimize_scalar(surprise, bounds=(-8, 8), method="bounded").x)
    chance = expit(best + other)
    return best, float((total * chance * (1 - chance)).sum() + 1 / variance) ** -0.5


def test_abilities_and_levels_are_drawn_about_their_mode(crowd: Crowd):
    looked, weight = crowd.counts, np.random.default_rng(1).uniform(0.5, 1, (7, 3))
    right, total = np.einsum("wkk->wk", looked) * weight, looked.sum(axis=2) * weight
    rows = [now.ability for now, _ in drawn(crowd, lambda each: each._draw_abilities(looked, weight))]
    for who, (mean, spread) in enumerate(zip(np.mean(rows, axis=0), np.std(rows, axis=0), strict=True)):
        assert (mean, spread) == pytest.approx(normal(right[who], total[who], crowd.level, 0, 0.4), rel=0.1, abs=0.05)
    crowd.ability = np.linspace(-1, 1, 7)
    found = [(now.level, now.level_mean) for now, _ in drawn(crowd, lambda each: each._draw_levels(looked, weight))]
    rows = [level for level, _ in found]
    for truth, (mean, spread) in enumerate(zip(np.mean(rows, axis=0), np.std(rows, axis=0), strict=True)):
        expected = normal(right[:, truth], total[:, truth], crowd.ability, 1.3, 0.2)
        assert (mean, spread) == pytest.approx(expected, rel=0.1, abs=0.05)


def test_the_variances_and_the_mean_level_follow_their_distributions(crowd: Crowd):
    draws = [crowd._draw_variance(5.0, 8) for _ in range(DRAWS)]
    assert stats.kstest(draws, stats.invgamma(8 / 2 + 1, scale=5 / 2 + 0.1).cdf).pvalue > 0.001
    crowd.counts[:] = 0
    apart = []
    for now, _ in drawn(crowd, lambda each: each._draw_levels(each.counts, np.ones((7, 3)))):
        apart.append((now.level_mean - now.level.mean()) / np.sqrt(now.level_variance / 3))
    assert stats.kstest(apart, "norm").pvalue > 0.001


def test_which_labels_are_confused_is_drawn_over_all_spreads(crowd: Crowd):
    pooled = np.array([[50.0, 6, 1], [0, 40, 3], [2, 2, 30]])
    wrong = pooled * ~np.eye(3, dtype=bool)
    chance = softmax(of_spreads(wrong))
    means = [(wrong + spread / 2) / (wrong.sum(axis=1, keepdims=True) + spread) for spread in SPREADS]
    expected = np.tensordot(chance, means, 1) * ~np.eye(3, dtype=bool)
    found = np.mean([now.misses for now, _ in drawn(crowd, lambda each: each._draw_misses(pooled))], axis=0)
    assert found == pytest.approx(expected, abs=0.02)


def test_strengths_are_drawn_as_often_as_they_are_likely(crowd: Crowd):
    predicted = crowd._predicted()
    chance = softmax(of_strengths(crowd.counts, predicted) + np.log(crowd.strength_share)[:, None], axis=0)
    often, shares = np.zeros(chance.shape), []
    for now, _ in drawn(crowd, lambda each: each._draw_strength(predicted)):
        own = now.strength[None, :] == STRENGTHS[:, None]
        often += own / DRAWS
        shares.append(now.strength_share - (own[:, :6].sum(axis=1) + 0.3) / (6 + 0.3 * len(STRENGTHS)))
    assert often == pytest.approx(chance, abs=0.05)
    assert np.mean(shares, axis=0) == pytest.approx(0, abs=0.02)


def test_how_frequent_classes_are_is_drawn_over_all_evenness(crowd: Crowd):
    truth, counts = np.array([0, 0, 0, 1]), np.array([3.0, 1, 0])
    crowd.account = np.linspace(0, -6, len(EVENNESS))
    chance = softmax(of_evenness(counts) + crowd.account)
    expected = sum(share * (counts + even) / (4 + 3 * even) for share, even in zip(chance, EVENNESS, strict=True))
    found = np.mean([now.prior for now, _ in drawn(crowd, lambda each: each._draw_prior(truth))], axis=0)
    assert found == pytest.approx(expected, abs=0.03)


def test_the_mean_of_drawn_matrices_is_the_expected_one(crowd: Crowd):
    predicted = crowd._predicted()
    found = np.mean([np.exp(logs) for _, logs in drawn(crowd, lambda each: each._draw_log_matrices(predicted))], axis=0)
    assert found == pytest.approx(crowd.expected_matrices(), abs=0.05)


def test_rows_that_vary_between_workers_say_less_of_the_crowd(crowd: Crowd):
    crowd.strength = np.array([4.0, 1000] + [4] * 5)
    looked = np.zeros((7, 3, 3))
    looked[:2, 0] = [5, 1, 0]
    assert crowd._worth(looked)[:2] == pytest.approx(np.array([[5 / 10, 1, 1], [1001 / 1006, 1, 1]]))


def test_which_votes_are_murky_is_drawn_as_the_model_says(crowd: Crowd):
    murky = Murky(crowd, np.random.default_rng(0))
    truth = np.arange(30) % 3
    murky.murk = np.ones((30, 3))
    own = np.exp(murky.log_matrices[murky.worker, truth[murky.task], murky.label])
    blind = murky.blindly[murky.label]
    share, clear, blindly = [], [], []
    for now, _ in drawn(murky, lambda each: each._draw_clear(truth)):
        share.append(now.share)
        clear.append(now.clear - now.ease * own / (now.ease * own + (1 - now.ease) * blind))
        guesses = np.bincount(now.label[~now.clear], minlength=3)
        blindly.append(now.blindly - (guesses + 10 * now.usual) / (guesses.sum() + 10))
    assert np.mean(share) == pytest.approx(30 / 33, abs=0.01)  # all 29 that were asked
    assert np.mean(clear, axis=0) == pytest.approx(0, abs=0.06)
    assert np.mean(blindly, axis=0) == pytest.approx(0, abs=0.01)
