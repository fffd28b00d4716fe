"""What is kept of the training images: novelty and neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from inference.monitoring.drift import DIMENSIONS
from inference.monitoring.reference import NEIGHBOURS, NOVEL, Reference, _hundredth, fit_reference


@pytest.fixture
def features() -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 40)) * 4
    return (centres[rng.integers(0, 3, 600)] + rng.normal(size=(600, 40))).astype(np.float32)


@pytest.fixture
def reference(features: np.ndarray) -> Reference:
    return fit_reference(features, np.arange(600) + 1000, np.array([0.3, 0.3, 0.4]))


def test_training_images_are_not_novel_and_other_images_are(features: np.ndarray, reference: Reference) -> None:
    assert np.mean(reference.novelty(features) > 1.0) < 0.05
    half = fit_reference(features[:300], np.arange(300), np.array([0.3, 0.3, 0.4]))
    assert np.mean(half.novelty(features[300:]) > 1.0) == pytest.approx(0.05, abs=0.03)
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


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_novelty_is_where_the_mean_cosine_distance_to_the_nearest_lies_among_those_of_the_training_images(
    tmp_path: Path, features, reference, dtype: type
) -> None:
    """By another's search; a summary in the file has half as many digits, and more images than one block."""
    reference.save(tmp_path / "reference.npz")
    asked = np.concatenate([features, features + 3, -features, features[:300]]).astype(np.float32)
    found, _ = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(features).kneighbors(asked)
    others, _ = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, metric="cosine").fit(features).kneighbors(features)
    own = others[:, 1:].mean(axis=1)
    middle, edge = np.quantile(own, (0.5, 0.95), method="weibull")
    novelty = Reference.load(tmp_path / "reference.npz").novelty(asked)
    distance = found.mean(axis=1)
    near = distance < edge
    assert near.sum() > 100
    np.testing.assert_allclose(novelty[near], np.maximum((distance[near] - middle) / (edge - middle), 0), atol=0.02)
    assert novelty[~near].min() >= 0.98
    assert (np.argsort(novelty[~near]) == np.argsort(distance[~near])).mean() > 0.9


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4])
def test_the_hundredth_part_is_found_of_short_and_long_tails(shape: float) -> None:
    """The mean over draws of 220, in the share that lies beyond it."""
    tail = stats.genpareto(shape)
    rng = np.random.default_rng(4)
    beyond = [tail.sf(_hundredth(tail.rvs(220, random_state=rng), 0.0)) for _ in range(200)]
    assert 0.008 < np.mean(beyond) < 0.014
    assert _hundredth(np.arange(20.0), 77.0) == 77.0, "four in the tail say nothing of it"


def test_maps_are_averaged_over_their_places(features: np.ndarray, reference: Reference) -> None:
    rng = np.random.default_rng(8)
    apart = rng.normal(size=(600, 9, 40)) * 20
    maps = (features[:, None] + apart - apart.mean(axis=1, keepdims=True)).astype(np.float32).reshape(600, -1)
    same = fit_reference(maps, np.arange(600) + 1000, np.array([0.3, 0.3, 0.4]), maps=40)
    assert same.points.shape == (600, 40)
    np.testing.assert_allclose(same.novelty(maps), reference.novelty(features), atol=0.02)
    np.testing.assert_allclose(same.project(maps), reference.project(features), atol=0.01)


def test_pictures_of_one_burst_do_not_make_new_ones_novel(features: np.ndarray) -> None:
    bursts = np.repeat(features[:100], 4, axis=0)
    bursts += np.random.default_rng(9).normal(size=bursts.shape).astype(np.float32) * 0.01
    names = [str(index // 4) for index in range(400)]
    blind = fit_reference(bursts, np.arange(400), np.array([1.0]))
    reference = fit_reference(bursts, np.arange(400), np.array([1.0]), groups=names)
    assert np.mean(blind.novelty(features[100:]) > NOVEL) > 0.9
    assert np.mean(reference.novelty(features[100:]) > NOVEL) < 0.05
    assert len(reference.points) == 100
    assert len(fit_reference(bursts[:4], np.arange(4), np.array([1.0]), groups=names[:4]).points) == 4


def test_images_that_are_one_picture_have_a_summary_and_another_picture_is_novel() -> None:
    one = np.ones((30, 8), np.float32)
    reference = fit_reference(one, np.arange(30), np.array([1.0]))
    assert reference.novelty(one).max() <= 1
    assert reference.novelty(np.eye(8, dtype=np.float32)).min() > NOVEL


def test_places_in_few_numbers_lie_about_as_far_apart() -> None:
    rng = np.random.default_rng(10)
    images = np.abs(rng.normal(size=(200, 8)) @ rng.normal(size=(8, 1280))).astype(np.float32)
    reference = fit_reference(images, np.arange(200), np.array([1.0]))
    exact, rough = reference.place(images), reference.place_roughly(images)
    assert rough.shape == (200, 64)
    ratios = np.linalg.norm(rough[1:] - rough[:-1], axis=1) / np.linalg.norm(exact[1:] - exact[:-1], axis=1)
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    assert np.std(ratios) < 0.15
