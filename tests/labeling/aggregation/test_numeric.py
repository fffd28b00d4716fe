"""Numbers and ratings from many."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.aggregation import numeric


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
    assert error < 0.11


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
