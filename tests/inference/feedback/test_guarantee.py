"""Bounds of the model's own labels."""

from __future__ import annotations

import numpy as np
import pytest

from inference.feedback.guarantee import has_failed, is_doubtful, threshold


def test_a_threshold_needs_enough_images_for_its_bound() -> None:
    right = np.ones(148, bool)
    assert threshold(np.linspace(1, 0.5, 148), right, 0.02) is None
    assert threshold(np.linspace(1, 0.5, 149), np.ones(149, bool), 0.02) == pytest.approx(0.5)


def test_the_threshold_stands_above_the_errors_it_cannot_afford() -> None:
    probability = np.concatenate([np.linspace(1.0, 0.9, 300), np.linspace(0.89, 0.5, 300)])
    is_correct = np.concatenate([np.ones(300, bool), np.zeros(300, bool)])
    found = threshold(probability, is_correct, 0.02)
    assert found is not None
    assert 0.85 < found <= 0.9


@pytest.mark.parametrize("count", [200, 500, 2000])
def test_the_bound_is_kept_as_often_as_it_says_although_the_threshold_is_chosen_among_many(count: int) -> None:
    """Probabilities that say nothing, and a few more errors than are allowed: no threshold would be right."""
    rng = np.random.default_rng(0)
    broken = sum(threshold(rng.random(count), rng.random(count) >= 0.055, 0.05) is not None for _ in range(1000))
    assert broken <= 65  # 50, and what chance adds


def test_images_of_one_probability_are_taken_all_or_none() -> None:
    probability = np.concatenate([np.full(200, 0.99), np.full(200, 0.8)])
    is_correct = np.ones(400, bool)
    is_correct[350:] = False
    assert threshold(probability, is_correct, 0.02) == 0.99


def test_an_audit_fails_when_chance_does_not_explain_its_errors() -> None:
    assert not has_failed(0, 0, 0.02)
    assert not has_failed(1, 1, 0.02)
    assert not has_failed(3, 40, 0.02)
    assert has_failed(3, 5, 0.02)
    assert has_failed(6, 40, 0.02)


def test_one_error_in_few_answers_raises_a_doubt_that_more_answers_lay() -> None:
    assert not is_doubtful(0, 1, 0.02)
    assert is_doubtful(1, 11, 0.02)  # 1 - .98^11 is .199
    assert not is_doubtful(1, 12, 0.02)
    assert is_doubtful(1, 2, 0.02, 0.05)
    assert not is_doubtful(1, 3, 0.02, 0.05)


def stops(bound: float, share: float, answers: int) -> np.ndarray:
    """[answers]: the exact chance that an audit has failed by then, looked at after each answer."""
    alive, gone, least = np.array([1.0]), [0.0], 0
    for total in range(1, answers + 1):
        alive = np.append(alive * (1 - share), 0) + np.append(0, alive * share)
        while least <= total and not has_failed(least, total, bound):
            least += 1
        gone.append(gone[-1] + alive[least:].sum())
        alive[least:] = 0
    return np.array(gone[1:])


@pytest.mark.parametrize("bound", [0.001, 0.02, 0.1, 0.5, 0.9])
def test_an_audit_that_is_looked_at_after_each_answer_fails_one_in_twenty_that_keep_the_bound(bound: float) -> None:
    assert stops(bound, bound, 1500)[-1] <= 0.05
    assert stops(bound, 0.75 * bound, 1500)[-1] <= 0.02


@pytest.mark.parametrize(("times", "answers"), [(2, 1300), (3, 330), (5, 105), (10, 32)])
def test_what_is_wrong_more_often_than_is_allowed_is_found_out(times: int, answers: int) -> None:
    assert stops(0.02, 0.02 * times, answers)[-1] >= 0.9
