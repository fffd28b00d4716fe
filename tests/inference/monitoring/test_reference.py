"""What is kept of the training images: novelty and neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.monitoring.drift import DIMENSIONS
from inference.monitoring.reference import NOVEL, Reference, _kth_distance, fit_reference


@pytest.fixture
def features() -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 40)) * 4
    return (centres[rng.integers(0, 3, 600)] + rng.normal(size=(600, 40))).astype(np.float32)


@pytest.fixture
def reference(features: np.ndarray) -> Reference:
    return fit_reference(features, np.arange(600) + 1000, np.array([0.3, 0.3, 0.4]))


def test_training_images_are_not_novel_and_other_images_are(features: np.ndarray, reference: Reference) -> None:
    assert np.mean(reference.novelty(features) > 1.0) == pytest.approx(0.05, abs=0.03)
    strange = features + 30 * np.sign(np.random.default_rng(1).normal(size=40)).astype(np.float32)
    assert reference.novelty(strange).min() > 1.0


@pytest.mark.parametrize("count", [40, 300])
def test_images_of_another_kind_are_novel_beside_few_training_images_too_and_new_ones_of_theirs_are_not(
    count: int,
) -> None:
    """A kind is a few features of many that networks light up for it."""

    def pictures(seed: int, kind: range, count: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        lit = np.abs(rng.normal(0, 0.3, (count, 120)))
        lit[:, kind] += np.abs(rng.normal(1, 0.5, (count, len(kind))))
        return lit.astype(np.float32)

    reference = fit_reference(pictures(0, range(20), count), np.arange(count), np.array([1.0]))
    new = reference.novelty(pictures(1, range(20), 200))
    assert np.mean(new > 1.0) < 0.1
    assert np.mean(new > 0.0) == pytest.approx(0.5, abs=0.2)  # as far out as half of their kind
    assert np.mean(reference.novelty(pictures(2, range(15, 35), 200)) > 1.5) > 0.9


@pytest.mark.parametrize("count", [60, 400])
def test_one_new_image_in_a_hundred_of_the_training_images_kind_is_novel(count: int) -> None:
    """The mean over training sets: of one of 60 images the share is a matter of luck."""
    rng = np.random.default_rng(5)
    kind = rng.normal(size=(12, 30))
    shares = []
    for _ in range(20):
        known = rng.normal(size=(count + 500, 12)) @ kind + 0.3 * rng.normal(size=(count + 500, 30))
        known = known.astype(np.float32)
        reference = fit_reference(known[:count], np.arange(count), np.array([1.0]))
        shares.append(np.mean(reference.novelty(known[count:]) > NOVEL))
    assert 0.003 < np.mean(shares) < 0.02


def test_new_images_are_placed_for_drift_as_those_are_that_they_are_compared_with() -> None:
    """Along directions that 200 images of 1280 features fit, these same lie twice as far out as others."""
    rng = np.random.default_rng(6)
    images = rng.normal(1, 1, size=(1200, 1280)).astype(np.float32)
    reference = fit_reference(images[:200], np.arange(200), np.array([1.0]))
    assert reference.drawn.shape == (100, DIMENSIONS)
    np.testing.assert_allclose(reference.drawn.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(reference.drawn.std(axis=0), 1, atol=0.01)
    new = reference.project(images[200:])
    assert new.std() == pytest.approx(1, abs=0.1)
    assert np.abs(new.mean(axis=0)).max() < 0.4  # four times the error of a mean of 100


def test_the_nearest_training_image_of_a_training_image_is_itself(features, reference) -> None:
    image_id, distance = reference.nearest(features[17], 3)[0]
    assert image_id == 1017
    assert distance == pytest.approx(0, abs=1e-2)


def test_fewer_images_than_dimensions_are_summarised_too() -> None:
    few = np.random.default_rng(3).normal(size=(6, 500)).astype(np.float32)
    reference = fit_reference(few, np.arange(6), np.array([1.0]))
    assert np.isfinite(reference.novelty(few)).all()
    assert reference.nearest(few[2], 1)[0][0] == 2


def test_what_is_saved_is_what_is_loaded(tmp_path: Path, features, reference) -> None:
    reference.save(tmp_path / "reference.npz")
    again = Reference.load(tmp_path / "reference.npz")
    np.testing.assert_array_equal(again.novelty(features), reference.novelty(features))


@pytest.mark.parametrize("k", [1, 5, 30])
def test_the_distance_to_the_kth_nearest_is_that_of_sorting_them_all(k: int) -> None:
    rng = np.random.default_rng(k)
    points, others = rng.normal(size=(2050, 7)).astype(np.float32), rng.normal(size=(30, 7)).astype(np.float32)
    others[3] = others[4]  # two at one distance
    distances = np.linalg.norm(points[:, None].astype(float) - others[None], axis=2)
    np.testing.assert_allclose(_kth_distance(points, others, k), np.sort(distances, axis=1)[:, k - 1], atol=1e-3)
    assert _kth_distance(points, others[:2], 5) == pytest.approx(np.sort(distances[:, :2], axis=1)[:, 1], abs=1e-3)
