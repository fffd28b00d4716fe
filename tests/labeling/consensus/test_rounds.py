"""The rounds of three-stage boxes ahead: what is known of images that wait, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.consensus.rounds import forecast

MOST = 60


def after(objects: list[int], share: float) -> tuple[list[int], list[int], int]:
    """(covered, waiting, rounds that are still to come) once that share of the rounds is done, image by image."""
    dice = np.random.default_rng(3)
    needs, had = np.asarray(objects), np.zeros(len(objects), int)
    while had.sum() < share * needs.sum():
        had[dice.choice(np.flatnonzero(had < needs))] += 1
    is_done = had == needs
    covered, waiting = (np.bincount(had[which]).tolist() for which in (is_done, ~is_done))
    return covered, waiting, int((needs - had).sum())


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5, 0.7])
def test_the_rounds_of_images_of_ten_objects_are_known_to_be_many_before_one_is_covered(share: float) -> None:
    """The forecast looked one round further than any image had come, so that it was half of the truth until late."""
    covered, waiting, ahead = after((1 + np.random.default_rng(1).poisson(9, 100)).tolist(), share)
    found = forecast(covered=covered, waiting=waiting, most=MOST)
    assert found.low <= ahead <= found.high
    assert ahead / 1.6 <= found.likely <= 2.5 * ahead


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_the_rounds_of_images_of_few_objects_are_known_well(share: float) -> None:
    covered, waiting, ahead = after((1 + np.random.default_rng(2).poisson(0.6, 300)).tolist(), share)
    found = forecast(covered=covered, waiting=waiting, most=MOST)
    assert found.likely == pytest.approx(ahead, rel=0.15)
    assert found.high <= 1.7 * found.low


def test_the_forecast_is_surer_once_images_are_covered() -> None:
    objects = (1 + np.random.default_rng(1).negative_binomial(2, 0.3, 200)).tolist()
    wide = []
    for share in (0.05, 0.4, 0.8):
        covered, waiting, _ahead = after(objects, share)
        found = forecast(covered=covered, waiting=waiting, most=MOST)
        wide.append(found.high / found.low)
    assert wide == sorted(wide, reverse=True)


def test_each_image_that_waits_takes_a_round_at_least_and_the_most_at_most() -> None:
    never = forecast(covered=[], waiting=[0] * 50 + [100], most=MOST)
    assert 100 <= never.low <= never.likely <= never.high <= 10 * 100
    last = forecast(covered=[0, 5000], waiting=[0] * 59 + [3], most=MOST)
    assert last == (3, 3, 3)


def test_where_nothing_waits_nothing_is_ahead_and_the_same_is_forecast_the_same() -> None:
    assert forecast(covered=[0, 9, 4], waiting=[], most=MOST) == (0, 0, 0)
    assert forecast(covered=[], waiting=[5], most=MOST) == forecast(covered=[], waiting=[5], most=MOST)
