"""Bounds of the model's own labels."""

from __future__ import annotations

import numpy as np
import pytest

from inference.feedback.guarantee import has_failed, threshold


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
    assert not has_failed(1, 20, 0.02)
    assert has_failed(1, 2, 0.02)
    assert has_failed(5, 40, 0.02)


@pytest.mark.parametrize(("share", "least", "most"), [(0.75, 0.0, 0.15), (1.0, 0.0, 0.35), (3.0, 0.95, 1.0)])
def test_an_audit_that_is_looked_at_after_each_answer_stops_few_in_vain_and_all_that_are_worse(
    share: float, least: float, most: float
) -> None:
    bound, rng = 0.02, np.random.default_rng(0)
    stopped = 0
    for _version in range(200):
        wrong = np.cumsum(rng.random(400) < share * bound).tolist()
        stopped += any(has_failed(count, total, bound) for total, count in enumerate(wrong, 1))
    assert least <= stopped / 200 <= most
