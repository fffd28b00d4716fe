"""Numbers and ratings from many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labeling.aggregation import numeric
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Said, combine


def crowd(seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 100, 200)
    bias, spread = np.array([0, 0, 5, -5, 0.0]), np.array([1, 1, 1, 1, 10.0])
    task, worker = np.repeat(np.arange(200), 5), np.tile(np.arange(5), 200)
    answer = truth[task] + bias[worker] + rng.normal(size=1000) * spread[worker]
    return truth, task, worker, answer


def test_biases_and_spreads_are_found():
    truth, task, worker, answer = crowd()
    fit = numeric.fit(task, worker, answer, n_tasks=200, n_workers=5)
    assert fit.bias[2] - fit.bias[3] == pytest.approx(10, abs=1)
    assert fit.spread[4] > 3 * fit.spread[0]
    assert np.abs(fit.value - truth).mean() < np.abs(numeric.medians(task, answer, 200) - truth).mean()


def test_moving_and_scaling_all_answers_moves_and_scales_the_values():
    _, task, worker, answer = crowd()
    plain = numeric.fit(task, worker, answer, n_tasks=200, n_workers=5)
    moved = numeric.fit(task, worker, 3 * answer + 7, n_tasks=200, n_workers=5)
    assert np.allclose(moved.value, 3 * plain.value + 7, atol=1e-3)


def test_a_task_without_an_answer_has_no_value():
    fit = numeric.fit(np.array([0]), np.array([0]), np.array([4.0]), n_tasks=2, n_workers=1)
    assert fit.value[0] == pytest.approx(4)
    assert np.isnan(fit.value[1])


def test_medians_by_hand():
    assert numeric.medians(np.array([0, 0, 1, 1, 1]), np.array([1.0, 4, 9, 2, 3]), 2).tolist() == [2.5, 3]


def test_one_outlier_hardly_moves_the_combined_number():
    value, _ = numeric.combine([(10, 0, 1), (11, 0, 1), (10.5, 0, 1), (1000, 0, 1)])
    assert value == pytest.approx(10.5, abs=0.3)


def test_a_steady_worker_counts_more():
    value, error = numeric.combine([(10, 0, 0.1), (20, 0, 10)])
    assert value == pytest.approx(10, abs=0.1)
    assert error < 0.12


def test_a_worker_s_bias_is_taken_off():
    assert numeric.combine([(15, 5, 1), (10, 0, 1)])[0] == pytest.approx(10)


def test_steps_know_which_step_is_near():
    chances = numeric.steps([(4, 0, 0.7), (4, 0, 0.7), (5, 0, 0.7)], [1, 2, 3, 4, 5])
    assert sum(chances) == pytest.approx(1)
    assert int(np.argmax(chances)) == 3
    assert chances[4] > chances[1] > 0


def test_a_tolerance_of_one_standard_error_is_two_thirds():
    assert numeric.within(1.0, 1.0) == pytest.approx(0.6827, abs=1e-3)
    assert numeric.within(0.0, 1.0) == 1


def test_lone_ratings_say_nothing_of_how_far_people_are_apart():
    n = np.arange(40)
    fit = numeric.fit(n, n % 4, 1.0 + n % 5, n_tasks=40, n_workers=4, expected=0.8)
    assert fit.spread == pytest.approx(np.full(4, 0.8))
    assert max(numeric.steps([(4, 0, fit.spread[0])], [1, 2, 3, 4, 5])) < 0.7


@pytest.mark.parametrize("noise", [0.3, 0.6, 1.0])
def test_a_worker_s_accuracy_is_how_often_an_answer_is_right(noise):
    rng = np.random.default_rng(5)
    truth = rng.integers(1, 10, 300)
    task, worker = np.repeat(np.arange(300), 4), np.tile(np.arange(4), 300)
    each = noise * np.array([1, 1, 1, 4])  # the last one is worse
    answer = np.round(truth[task] + each[worker] * rng.normal(size=len(task)))
    fit = numeric.fit(task, worker, answer, n_tasks=300, n_workers=5, expected=1.6)
    right = np.bincount(worker, answer == truth[task]) / 300
    assert numeric.on_step(fit.spread)[:4] == pytest.approx(right, abs=0.12)
    tolerance = np.full(len(task), 2 * noise)
    right = np.bincount(worker, np.abs(answer - truth[task]) <= tolerance) / 300
    answer += 3.0 * (worker == 1)  # who leans is corrected
    fit = numeric.fit(task, worker, answer, n_tasks=300, n_workers=5)
    shares = numeric.near(fit, task, worker, answer, tolerance)
    assert shares == pytest.approx([*right, 0.5], abs=0.15)  # the last one has said nothing


@pytest.mark.parametrize("judgments", [1, 2, 3, 5])
def test_ratings_are_as_sure_as_they_are_right(judgments):
    rng = np.random.default_rng(4)
    truth = rng.integers(1, 6, 400)
    task = np.repeat(np.arange(400), judgments)
    worker = np.concatenate([rng.choice(20, judgments, replace=False) for _ in truth])
    answer = np.clip(np.round(truth[task] + rng.normal(size=len(task))), 1, 5)
    fit = numeric.fit(task, worker, answer, n_tasks=400, n_workers=20, expected=0.8, ends=(1, 5))
    said = [[(answer[i], fit.bias[worker[i]], fit.spread[worker[i]]) for i in np.flatnonzero(task == t)] for t in task]
    chances = [numeric.steps(said[t * judgments], [1, 2, 3, 4, 5]) for t in range(400)]
    right = np.mean([int(np.argmax(row)) + 1 == known for row, known in zip(chances, truth, strict=True)])
    assert np.mean([max(row) for row in chances]) - right < 0.08  # one rating was called .97 sure, and right in .55


@pytest.mark.parametrize(("judgments", "whole"), [(2, False), (3, False), (5, False), (2, True), (3, True), (5, True)])
def test_numbers_are_as_sure_as_they_are_right(judgments, whole):
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 12, 600).astype(float) if whole else rng.uniform(1, 100, 600)
    task = np.repeat(np.arange(600), judgments)
    worker = np.concatenate([rng.choice(12, judgments, replace=False) for _ in truth])
    answer = truth[task] + rng.normal(size=len(task)) * (0.6 if whole else 2)
    answer = np.round(answer) if whole else answer
    fit = numeric.fit(task, worker, answer, n_tasks=600, n_workers=12, expected=numeric.HALF if whole else 0)
    belief = replace(Belief.ignorant(()), spread=fit.crowd_spread)
    skills = {n: {"bias": fit.bias[n], "spread": fit.spread[n]} for n in range(12)}
    said = [Said(int(who), float(value)) for who, value in zip(worker, answer, strict=True)]
    starts = range(0, len(said), judgments)
    found = [combine("median", said[n : n + judgments], {"whole": whole}, belief, skills) for n in starts]
    right = np.abs([one.answer for one in found] - truth) <= numeric.tolerance(truth, whole)
    assert -0.1 < np.mean([one.confidence for one in found]) - right.mean() < 0.03


def test_the_first_who_count_are_as_sure_as_after_a_fit_that_has_seen_them_alone():
    n = np.arange(40)
    fit = numeric.fit(n, n % 4, 1.0 + n % 5, n_tasks=40, n_workers=4, expected=numeric.HALF)
    known = replace(Belief.ignorant(()), spread=fit.crowd_spread)
    first, later = (combine("median", [Said(0, 1)], {"whole": True}, one, {}) for one in (Belief.ignorant(()), known))
    assert (first.answer, first.confidence) == (1, pytest.approx(later.confidence))
    assert first.confidence < 0.7  # it was .88


@pytest.mark.parametrize("scale", [1.0, 2.5e-7, 1e-12])
def test_a_number_is_as_sure_and_as_fine_in_any_unit(scale):
    """Small ones were rounded to nothing."""
    said = [Said(worker, number * scale) for worker, number in enumerate((0.5, 0.52, 0.53, 0.7))]
    alone = combine("median", said[:1], {}, Belief.ignorant(()), {})
    plain = combine("median", [Said(row.worker, row.answer / scale) for row in said], {}, Belief.ignorant(()), {})
    found = combine("median", said, {}, Belief.ignorant(()), {})
    assert alone.answer == pytest.approx(0.5 * scale)
    assert found.answer == pytest.approx(plain.answer * scale, rel=1e-3)
    assert found.confidence == pytest.approx(plain.confidence, rel=1e-5)


@pytest.mark.parametrize(
    ("numbers", "answer"),
    [
        ((0, 0, 3), 0.0),  # what a slip moves it by is nothing beside what was said
        ((0, 0, 2.5e-7), 0.0),
        ((1e-200,), 1e-200),
        ((1e-200, 1e-200, 1e100), 0.0),
        ((1e-60, 1e-60, -1e100), 0.0),
        ((1e100, 1e100), 1e100),
    ],
)
def test_a_number_is_combined_whatever_its_size_and_has_no_more_digits_than_what_was_said(numbers, answer):
    said = [Said(worker, number) for worker, number in enumerate(numbers)]
    found = combine("median", said, {}, Belief.ignorant(()), {})
    assert not str(found.answer).startswith("-")
    assert (found.answer, found.judgments) == (pytest.approx(answer, rel=1e-12, abs=0), len(numbers))
    assert 0 <= found.confidence <= 1


def test_a_few_who_answer_in_another_unit_do_not_move_everybody_s_zero():
    rng = np.random.default_rng(0)
    true = rng.uniform(1, 100, 60)
    task, worker = np.repeat(np.arange(60), 15), np.tile(np.arange(15), 60)
    chosen = rng.random(len(task)) < 0.4
    task, worker = task[chosen], worker[chosen]
    answer = (true[task] + rng.normal(size=len(task))) * np.where(worker < 2, 2.54, 1)
    found = numeric.fit(task, worker, answer, n_tasks=60, n_workers=15)
    assert np.sqrt(np.mean((found.value - true) ** 2)) < 2
