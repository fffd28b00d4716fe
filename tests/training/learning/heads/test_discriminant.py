"""The linear discriminant against scikit-learn's, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.training.learning.conftest import blobs
from training.learning.heads.discriminant import discriminants


def standard(x: np.ndarray) -> np.ndarray:
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)


def discriminant(x: np.ndarray, y: np.ndarray, w: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    return discriminants(x, y, w, dim, [0.5])[0]


def soft(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "dim"), [(300, 20), (60, 150)])
def test_it_is_scikit_learns_with_the_same_shrinkage(n: int, dim: int) -> None:
    shrinkages = (0.1, 0.5, 0.9)
    x, labels = blobs(n, dim, 4, spread=3.0)
    x = standard(x)

    found = discriminants(x, np.eye(4, dtype=np.float32)[labels], np.ones(n, np.float32), dim, shrinkages)

    for shrinkage, (weights, bias) in zip(shrinkages, found, strict=True):
        theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, labels)
        np.testing.assert_allclose(soft(x @ weights + bias), theirs.predict_proba(x), atol=1e-3)


def test_a_soft_label_is_the_picture_twice_and_a_weight_is_so_many_of_it() -> None:
    x, labels = blobs(80, 30, 3, spread=3.0)
    x, y = standard(x), np.eye(3, dtype=np.float32)[labels]
    shared = y.copy()
    shared[:20] = (0.75, 0.25, 0)

    weights, bias = discriminant(x, shared, np.where(np.arange(80) < 20, 4, 1), 30)

    split = np.vstack([np.repeat(x[:20], 4, axis=0), x[20:]])
    hard = np.vstack([np.tile(np.eye(3)[[0, 0, 0, 1]], (20, 1)), y[20:]]).astype(np.float32)
    same, as_well = discriminant(split, hard, np.ones(len(split)), 30)
    np.testing.assert_allclose(weights, same, atol=1e-4)
    np.testing.assert_allclose(bias, as_well, atol=1e-3)


def test_rotated_features_say_the_same() -> None:
    x, labels = blobs(50, 120, 3)
    x, y = standard(x), np.eye(3, dtype=np.float32)[labels]
    axes = np.linalg.svd(x, full_matrices=False)[2].T

    weights, bias = discriminant(x @ axes, y, np.ones(50), 120)

    straight, offset = discriminant(x, y, np.ones(50), 120)
    np.testing.assert_allclose(x @ axes @ weights + bias, x @ straight + offset, rtol=1e-3, atol=1e-2)


def test_a_class_without_images_is_never_the_answer_and_pictures_that_count_nothing_say_nothing() -> None:
    x, labels = blobs(60, 8, 2)
    y = np.eye(3, dtype=np.float32)[labels]
    weights, bias = discriminant(standard(x), y, np.ones(60), 8)
    assert (standard(x) @ weights + bias).argmax(axis=1).max() == 1
    nothing, none = discriminant(standard(x), y, np.zeros(60), 8)
    assert not nothing.any()
    assert not none.any()


def test_images_that_are_all_alike_give_finite_numbers() -> None:
    weights, bias = discriminant(np.zeros((10, 5), np.float32), np.eye(2, dtype=np.float32)[[0, 1] * 5], np.ones(10), 5)
    assert np.isfinite(weights).all()
    assert np.isfinite(bias).all()
