"""What more labels would bring, of curves that are known."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from training.learning.heads.curve import DRAWINGS, learning_curve, look_ahead
from training.learning.heads.head import HeadOptions
from training.learning.rows import Rows


def drawn(errors: list[float], held_out: int, seed: int = 0) -> np.ndarray:
    """Answers that are wrong as often as is said; what is hard stays hard, as it does for real heads."""
    rng = np.random.default_rng(seed)
    hard = rng.random(held_out)
    near = np.clip(hard + rng.normal(0, 0.01, (len(errors), DRAWINGS, held_out)), 0, 1)
    return near < np.array(errors)[:, None, None]


def test_a_power_law_is_followed_to_twice_the_labels() -> None:
    counts = [100, 200, 400, 800]
    found = look_ahead(counts, drawn([0.4 * (n / 100) ** -0.5 for n in counts], 2000))

    assert found["verdict"] == "better"
    low, high = found["twice"]["interval"]
    assert low <= 0.4 * 16**-0.5 <= high
    assert found["twice"]["images"] == 1600
    assert [point["images"] for point in found["points"]] == counts


def test_a_curve_that_has_reached_its_floor_promises_nothing() -> None:
    found = look_ahead([100, 200, 400, 800], drawn([0.4, 0.2, 0.12, 0.12], 4000))

    assert found["verdict"] == "little"
    assert found["twice"]["error"] == pytest.approx(0.12, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_few_held_out_images_cannot_tell(seed: int) -> None:
    assert look_ahead([100, 200, 400, 800], drawn([0.2, 0.17, 0.15, 0.14], 40, seed))["verdict"] == "unknown"


def test_without_any_error_there_is_little_to_win() -> None:
    assert look_ahead([100, 200, 400, 800], np.zeros((4, DRAWINGS, 400), bool))["verdict"] == "little"


def clouds(n: int, dim: int, apart: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two round clouds whose best possible error is NormalDist().cdf(-apart / 2)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    x = rng.normal(size=(n, dim)).astype(np.float32)
    x[:, 0] += apart * (labels - 0.5)
    return x, labels


def curve(train: int, dim: int, apart: float) -> dict:
    x, labels = clouds(train, dim, apart, 1)
    held, truth = clouds(2000, dim, apart, 2)
    found = learning_curve(
        Rows.of(x), np.eye(2, dtype=np.float32)[labels], np.ones(train, np.float32), held, truth,
        categories=["left", "right"], options=HeadOptions(strength=0.01, epochs=50),
    )  # fmt: skip
    assert found is not None
    return found


def test_clouds_in_a_wide_space_are_told_apart_better_with_more_labels() -> None:
    found = curve(160, 200, 3.0)  # 20 labels for 200 numbers are far from enough

    errors = [point["error"] for point in found["points"]]
    assert errors == sorted(errors, reverse=True)
    assert found["verdict"] == "better"
    assert NormalDist().cdf(-1.5) < found["twice"]["error"] < errors[-1]


def test_clouds_in_a_plane_are_soon_told_apart_as_well_as_they_can_be() -> None:
    found = curve(1600, 2, 3.0)

    assert found["verdict"] == "little"
    assert found["points"][-1]["error"] == pytest.approx(NormalDist().cdf(-1.5), abs=0.015)


def test_with_too_few_labels_there_is_no_curve() -> None:
    x, labels = clouds(30, 2, 3.0, 1)
    y, w = np.eye(2, dtype=np.float32)[labels], np.ones(30, np.float32)
    options = HeadOptions(strength=1.0)
    assert learning_curve(Rows.of(x), y, w, x, labels, categories=["left", "right"], options=options) is None


def test_one_picture_less_than_an_eighth_of_the_rarer_category_needs_is_too_few() -> None:
    x, _labels = clouds(100, 2, 3.0, 1)
    held, truth = clouds(40, 2, 3.0, 2)
    w, options = np.ones(100, np.float32), HeadOptions(strength=1.0)
    for rare in (7, 8):  # with 8 each eighth has one of them, and every head two categories
        y = np.eye(2, dtype=np.float32)[(np.arange(100) < rare).astype(int)]
        found = learning_curve(Rows.of(x), y, w, held, truth, categories=["common", "rare"], options=options)
        assert (found is None) == (rare == 7)


def test_a_category_of_a_few_pictures_in_many_copies_has_a_curve() -> None:
    x, labels = clouds(100, 2, 3.0, 1)
    held, truth = clouds(40, 2, 3.0, 2)
    x, labels = np.concatenate([x[labels == 0][:40], np.repeat(x[labels == 1][:4], 10, axis=0)]), np.arange(80) // 40
    groups = np.concatenate([np.arange(40), 40 + np.arange(40) // 10])
    y, w, options = np.eye(2, dtype=np.float32)[labels], np.ones(80, np.float32), HeadOptions(strength=1.0)

    found = learning_curve(Rows.of(x), y, w, held, truth, categories=["left", "right"], options=options, groups=groups)

    assert found is not None
    assert [point["images"] for point in found["points"]] == [10, 20, 40, 80]
