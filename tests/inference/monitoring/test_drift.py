"""Distances between what was trained on and what is asked."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inference.monitoring.drift import (
    DIMENSIONS,
    FAR,
    PSI_ALARM,
    Moments,
    chance_limit,
    distance,
    novel_limit,
    psi,
    psi_alarm,
)
from inference.monitoring.reference import fit_reference


def moments(points: np.ndarray) -> Moments:
    result = Moments()
    result.add(points)
    return result


def test_the_distance_of_a_shift_is_its_square() -> None:
    points = np.random.default_rng(0).normal(size=(20_000, DIMENSIONS))
    shifted = points.copy()
    shifted[:, 0] += 3.0
    assert distance(moments(points), moments(points)) == pytest.approx(0, abs=1e-6)
    assert distance(moments(points), moments(shifted)) == pytest.approx(9.0, rel=0.01)


def test_a_change_of_spread_counts_as_in_the_formula_of_gaussians() -> None:
    points = np.random.default_rng(1).normal(size=(50_000, DIMENSIONS))
    wide = points.copy()
    wide[:, 0] *= 3.0
    assert distance(moments(points), moments(wide)) == pytest.approx((3 - 1) ** 2, rel=0.03)


def test_few_images_are_drawn_towards_the_training_set_s_spread_by_sixteen() -> None:
    """All at one place: of n images the spread is 16 / (n + 16) in each of 16 dimensions."""

    def at(count: int, first: float = 0.0) -> Moments:
        return moments(np.full((count, 1), first))

    assert distance(at(1), at(1, 2.0)) == pytest.approx(4)
    assert distance(at(1), at(20)) == pytest.approx(16 * (np.sqrt(16 / 17) - np.sqrt(16 / 36)) ** 2)
    assert distance(at(0), at(20)) == pytest.approx(16 * (np.sqrt(16 / 17) - np.sqrt(16 / 36)) ** 2), "none is as one"
    assert distance(Moments.from_json({}), at(0)) == 0


def test_moments_of_parts_add_up_to_the_whole_and_survive_json() -> None:
    points = np.random.default_rng(2).normal(size=(300, DIMENSIONS))
    whole, parts, others = moments(points), moments(points[:100]), moments(points[100:])
    parts.looked, parts.novel, others.looked, others.novel = 50, 2, 40, 3
    parts.merge(Moments.from_json(others.as_json()))
    assert (parts.count, parts.looked, parts.novel) == (300, 90, 5)
    np.testing.assert_allclose(parts.sums, whole.sums, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(parts.products, whole.products, rtol=1e-4, atol=1e-4)


def test_images_like_the_training_images_stay_below_the_limit_and_others_pass_it() -> None:
    rng = np.random.default_rng(3)
    training = rng.normal(size=(1000, DIMENSIONS))
    limit = chance_limit(training, 100)
    assert distance(moments(rng.normal(size=(100, DIMENSIONS))), moments(training)) < limit
    assert distance(moments(rng.normal(size=(100, DIMENSIONS)) + 1.0), moments(training)) > limit


@pytest.mark.parametrize(("trained", "asked"), [(60, 300), (200, 100), (200, 1000)])
def test_requests_like_the_training_images_hardly_ever_alarm_and_others_do(trained: int, asked: int) -> None:
    """Drawn: features of 1280 numbers along ten directions, beside as much noise as few training images are lost in."""
    rng = np.random.default_rng(trained + asked)
    along = rng.normal(size=(10, 1280))

    def drawn(count: int, shift: float = 0.0) -> np.ndarray:
        return ((rng.normal(size=(count, 10)) + shift) @ along + 3 * rng.normal(size=(count, 1280))).astype(np.float32)

    calm, moved = [], []
    for _ in range(5):
        reference = fit_reference(drawn(trained), np.arange(trained), np.array([1.0]))
        limit, training = chance_limit(reference.drawn, asked), moments(reference.drawn)
        calm += [distance(moments(reference.project(drawn(asked))), training) / limit for _ in range(4)]
        moved.append(distance(moments(reference.project(drawn(asked, 1.5))), training) / limit)
    assert np.mean(calm) > 0.3, "a limit that nothing comes near would find nothing"
    assert max(calm) < FAR
    assert min(moved) > FAR


def test_narrow_features_fill_the_dimensions_they_have() -> None:
    assert moments(np.ones((4, 3))).sums.tolist() == [4.0] * 3 + [0.0] * (DIMENSIONS - 3)


def test_shares_that_stay_have_no_index_and_shares_that_turn_have_a_large_one() -> None:
    assert psi([0.5, 0.5], [500, 500]) == pytest.approx(0, abs=1e-3)
    assert psi([0.9, 0.1], [100, 900]) > PSI_ALARM
    assert np.isfinite(psi([1.0, 0.0], [0, 10]))


@pytest.mark.parametrize("known", [60, 220, 1000])
def test_the_novel_share_that_alarms_is_what_few_training_images_and_few_requests_leave_to_chance(known: int) -> None:
    for images in (50, 300, 1000):
        alone = stats.betabinom(images, known * 0.01 + 0.5, known * 0.99 + 0.5)
        assert novel_limit(known, images) == pytest.approx(alone.ppf(0.999) / images)
    assert novel_limit(known, 1_000_000) == novel_limit(known, 2_000), "no longer to compute for a busy day"
    assert 0.02 < novel_limit(known, 1000) < novel_limit(known, 100) < 0.15


@pytest.mark.parametrize(("classes", "images"), [(2, 50), (10, 50), (10, 300), (50, 100)])
def test_shares_that_have_not_moved_give_an_alarm_on_one_day_in_a_hundred_at_most(classes: int, images: int) -> None:
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(classes, 5.0))
    found = [psi(shares.tolist(), day) for day in rng.multinomial(images, shares, size=1000)]
    beyond = np.array(found) > psi_alarm(classes, images)
    assert beyond.mean() < 0.02
    assert psi_alarm(classes, 100_000) == PSI_ALARM
    if (classes, images) == (10, 50):
        assert (np.array(found) > PSI_ALARM).mean() > 0.05  # what it is for
