"""The head against scikit-learn, against invariances, and at the edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from tests.training.learning.conftest import blobs
from training.learning.errors import ArtifactDamaged, Cancelled, LearningError, TooLittleData, TrainingDiverged
from training.learning.heads.dense import Head
from training.learning.heads.folds import out_of_fold
from training.learning.heads.head import HeadOptions, fit_head


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[labels]


def names(classes: int) -> list[str]:
    return [f"c{i}" for i in range(classes)]


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_a_linear_head_is_the_minimum_that_scikit_learn_finds(classes: int, strength: float) -> None:
    x, labels = blobs(400, 20, classes)
    weights = np.random.default_rng(1).uniform(0.2, 3, 400)
    options = HeadOptions(strength=strength, class_weights=False, epochs=500, patience=500)
    head, _ = fit_head(x, one_hot(labels, classes), weights, categories=names(classes), options=options)
    standard = (x - head.mean) / head.scale
    # scikit-learn's two classes share one vector of weights, ours have opposite halves of it: half the decay.
    theirs = LogisticRegression(C=strength * 2 if classes == 2 else strength, tol=1e-8, max_iter=5000)
    theirs.fit(standard, labels, sample_weight=weights / weights.mean())
    np.testing.assert_allclose(head.probabilities(x), theirs.predict_proba(standard), atol=1e-2)


def test_the_head_is_no_worse_than_scikit_learn_on_held_out_pictures() -> None:
    x, labels = blobs(900, 60, 4, spread=3.0)
    train, test = slice(0, 500), slice(500, None)
    head, _ = fit_head(x[train], one_hot(labels[train], 4), categories=names(4))
    standard = (x - head.mean) / head.scale
    theirs = LogisticRegression(max_iter=2000).fit(standard[train], labels[train])
    ours = (head.logits(x[test]).argmax(axis=1) == labels[test]).mean()
    assert ours >= theirs.score(standard[test], labels[test]) - 0.005


@pytest.mark.parametrize(("n", "dim"), [(300, 20), (80, 150)])
def test_a_blended_head_is_the_mean_of_scikit_learns_regression_and_discriminant(n: int, dim: int) -> None:
    x, labels = blobs(n, dim, 3, spread=3.0)
    options = HeadOptions(strength=0.01, blend=(0.5, 0.7), epochs=500)
    head, history = fit_head(x, one_hot(labels, 3), categories=names(3), options=options)
    standard = (x - head.mean) / head.scale
    regression = LogisticRegression(C=0.01, tol=1e-8, max_iter=5000).fit(standard, labels)
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5).fit(standard, labels)
    theirs = (regression.decision_function(standard) + 0.7 * discriminant.decision_function(standard)) / 2
    apart = head.logits(x) - theirs
    np.testing.assert_allclose(apart - apart.mean(axis=1, keepdims=True), 0, atol=0.03 * np.ptp(theirs))
    assert history["blend"] == (0.5, 0.7)


def test_where_classes_are_clouds_of_one_shape_the_blend_is_chosen_and_is_right_more_often() -> None:
    right = []
    for seed in range(5):
        x, labels = blobs(2300, 60, 4, seed=seed, spread=3.0)
        fitted, held = slice(0, 300), slice(300, None)
        for options in (HeadOptions(blend=()), HeadOptions()):
            head, history = fit_head(x[fitted], one_hot(labels[fitted], 4), categories=names(4), options=options)
            right.append((head.logits(x[held]).argmax(axis=1) == labels[held]).mean())
            assert bool(history["blend"]) == (options.blend is None)
    alone, blended = np.reshape(right, (-1, 2)).mean(axis=0)
    assert blended > alone + 0.01


def test_a_given_strength_or_a_dense_head_is_not_blended() -> None:
    x, labels = blobs(300, 60, 4, spread=3.0)  # where a linear head is blended
    for options in (HeadOptions(strength=0.1), HeadOptions(hidden=(8,), epochs=3)):
        assert fit_head(x, one_hot(labels, 4), categories=names(4), options=options)[1]["blend"] == ()


def test_a_blended_head_says_the_mean_of_both() -> None:
    x, labels = blobs(120, 10, 3)
    alone, *blended = (
        fit_head(x, one_hot(labels, 3), categories=names(3), options=HeadOptions(strength=0.1, blend=blend))[0].logits(
            x
        )
        for blend in ((), (0.5, 0.0), (0.5, 1.0), (0.5, 2.0))
    )
    assert blended[0] == pytest.approx(alone / 2, abs=1e-5)
    assert blended[2] - blended[0] == pytest.approx(2 * (blended[1] - blended[0]), abs=1e-4)
    assert np.abs(blended[1] - blended[0]).max() > 0.1


def test_label_smoothing_spreads_its_share_over_all_classes() -> None:
    x, labels = blobs(120, 10, 3)
    smooth = 0.8 * one_hot(labels, 3) + np.float32(0.2 / 3)
    told, done = (
        fit_head(x, y, categories=names(3), options=HeadOptions(strength=0.1, label_smoothing=share))[0].logits(x)
        for y, share in ((one_hot(labels, 3), 0.2), (smooth, 0.0))
    )
    assert told == pytest.approx(done, abs=1e-4)


def test_features_weigh_by_how_they_vary_within_bounds() -> None:
    x = np.random.default_rng(0).normal(0, 1, (500, 9)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(int)
    x *= np.array([1e-3, 0.5, 1, 1, 1, 1, 1, 2, 1e3], np.float32)
    head, _ = fit_head(x, one_hot(labels, 2), categories=names(2), options=HeadOptions(strength=1.0, epochs=5))
    assert head.scale / x.std(axis=0) == pytest.approx([2, 2**0.5, 1, 1, 1, 1, 1, 0.5**0.5, 0.5], rel=0.1)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    x, labels = blobs(200, 10, 3)
    for name in ("a", "b"):
        head, _ = fit_head(x, one_hot(labels, 3), None, x[:50], one_hot(labels[:50], 3), categories=names(3), seed=5)
        head.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("options", [HeadOptions(strength=0.1), HeadOptions(hidden=(16,), strength=1.0, epochs=80)])
def test_soft_labels_are_learned_as_such(options: HeadOptions) -> None:
    x = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    y = np.tile(np.array([[0.7, 0.2, 0.1]], np.float32), (400, 1))
    y[:20] = np.eye(3, dtype=np.float32)[np.arange(20) % 3]
    head, _ = fit_head(x, y, categories=names(3), options=options)
    np.testing.assert_allclose(head.probabilities(x).mean(axis=0), y.mean(axis=0), atol=0.05)


def test_a_weight_of_two_is_the_picture_twice() -> None:
    x, labels = blobs(120, 8, 2)
    y = one_hot(labels, 2)
    options = HeadOptions(strength=0.1, class_weights=False, epochs=300, patience=300)
    weights = np.where(np.arange(120) < 40, 2.0, 1.0)
    weighted, _ = fit_head(x, y, weights, categories=names(2), options=options)
    twice, rest = np.concatenate([x, x[:40]]), np.concatenate([y, y[:40]])
    # The decay is per picture: the same C on 160 pictures is a weaker one than on 120.
    doubled, _ = fit_head(
        twice, rest, categories=names(2), options=HeadOptions(
            strength=0.1 * 120 / 160, class_weights=False, epochs=300, patience=300
        )
    )  # fmt: skip
    np.testing.assert_allclose(weighted.probabilities(x), doubled.probabilities(x), atol=2e-3)


def test_scaling_and_shifting_the_features_changes_nothing() -> None:
    x, labels = blobs(200, 6, 3)
    options = HeadOptions(strength=0.1)
    plain, _ = fit_head(x, one_hot(labels, 3), categories=names(3), options=options)
    moved, _ = fit_head(x * 50 - 7, one_hot(labels, 3), categories=names(3), options=options)
    np.testing.assert_allclose(plain.probabilities(x), moved.probabilities(x * 50 - 7), atol=2e-3)


def test_class_weights_lift_the_recall_of_a_rare_class() -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(1000) < 40).astype(int)
    x = (rng.normal(size=(1000, 4)) + labels[:, None] * 0.8).astype(np.float32)
    recall = {}
    for wanted in (False, True):
        options = HeadOptions(strength=1.0, class_weights=wanted)
        head, _ = fit_head(x, one_hot(labels, 2), categories=names(2), options=options)
        recall[wanted] = (head.logits(x[:40]).argmax(axis=1) == 1).mean()
    assert recall[True] > recall[False]


def test_a_dense_head_learns_what_a_line_cannot() -> None:
    x = np.random.default_rng(0).normal(size=(600, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    y = one_hot(labels, 2)
    linear, _ = fit_head(x, y, categories=names(2), options=HeadOptions(strength=1.0))
    dense, _ = fit_head(
        x, y, categories=names(2), options=HeadOptions(hidden=(32,), strength=100.0, epochs=80, learning_rate=1e-2)
    )
    assert (linear.logits(x).argmax(axis=1) == labels).mean() < 0.65
    assert (dense.logits(x).argmax(axis=1) == labels).mean() > 0.9


def test_early_stopping_keeps_the_best_epoch() -> None:
    x, labels = blobs(60, 200, 2, spread=4.0)
    x_val, labels_val = blobs(200, 200, 2, seed=9, spread=4.0)
    options = HeadOptions(strength=1e6, patience=3, class_weights=False)
    _, history = fit_head(
        x, one_hot(labels, 2), None, x_val, one_hot(labels_val, 2), categories=names(2), options=options
    )
    assert history["val_loss"][history["best_epoch"] - 1] == min(history["val_loss"])
    assert len(history["val_loss"]) <= history["best_epoch"] + 3


def test_progress_sees_each_epoch_and_false_cancels() -> None:
    x, labels = blobs(100, 10, 2)
    seen: list[dict[str, Any]] = []
    fit_head(
        x, one_hot(labels, 2), categories=names(2), options=HeadOptions(strength=1.0, epochs=5), progress=seen.append
    )
    assert [row["epoch"] for row in seen] == list(range(1, len(seen) + 1))
    assert set(seen[0]["curves"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    with pytest.raises(Cancelled):
        fit_head(x, one_hot(labels, 2), categories=names(2), progress=lambda report: False)


@pytest.mark.parametrize(
    ("n", "classes", "labels", "error"),
    [
        (10, 1, np.zeros(10, int), TooLittleData),
        (1, 2, np.zeros(1, int), TooLittleData),
        (10, 3, np.ones(10, int), TooLittleData),
    ],
)
def test_too_little_to_learn_from_is_said(n: int, classes: int, labels: np.ndarray, error: type[Exception]) -> None:
    x = np.random.default_rng(0).normal(size=(n, 4))
    with pytest.raises(error):
        fit_head(x, one_hot(labels, classes), categories=names(classes))


def test_a_class_with_one_image_and_an_identical_set_still_give_a_head() -> None:
    x, labels = np.ones((11, 4), np.float32), np.array([0] * 10 + [1])
    head, _ = fit_head(x, one_hot(labels, 2), categories=names(2), options=HeadOptions(class_weights=False))
    probabilities = head.probabilities(x)
    assert np.isfinite(probabilities).all()
    assert probabilities[0].argmax() == 0


def test_five_hundred_classes_fit() -> None:
    x, labels = blobs(1500, 12, 500, spread=0.3)
    head, _ = fit_head(x, one_hot(labels, 500), categories=names(500), options=HeadOptions(strength=1.0, epochs=20))
    assert (head.logits(x).argmax(axis=1) == labels).mean() > 0.5


def test_a_solver_that_is_not_known_is_refused_with_the_names_of_those_that_are() -> None:
    with pytest.raises(LearningError, match="auto, lbfgs, adam; got 'sgd'"):
        HeadOptions(solver="sgd")


def test_numbers_that_are_none_are_refused() -> None:
    x, labels = blobs(20, 4, 2)
    x[3, 1] = np.nan
    with pytest.raises(LearningError, match="no numbers"):
        fit_head(x, one_hot(labels, 2), categories=names(2))


def test_a_loss_that_explodes_ends_the_fit() -> None:
    x, labels = blobs(50, 4, 2)
    with pytest.raises(TrainingDiverged), np.errstate(all="ignore"):
        fit_head(
            x, one_hot(labels, 2), categories=names(2),
            options=HeadOptions(hidden=(8,), strength=1.0, learning_rate=1e30, epochs=20),
        )  # fmt: skip


def test_out_of_fold_answers_come_from_heads_that_did_not_see_the_picture() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 200)).astype(np.float32)  # more features than pictures: any head knows its own by heart
    y = one_hot(rng.integers(0, 2, 80), 2)
    options = HeadOptions(strength=100.0)
    head, _ = fit_head(x, y, categories=names(2), options=options)
    held = out_of_fold(x, y, None, categories=names(2), options=options)
    assert (head.logits(x).argmax(axis=1) == y.argmax(axis=1)).mean() == 1.0
    assert (held.argmax(axis=1) == y.argmax(axis=1)).mean() < 0.75


def test_a_head_survives_the_disk_and_damage_is_seen(tmp_path: Path) -> None:
    x, labels = blobs(60, 6, 3)
    head, _ = fit_head(x, one_hot(labels, 3), categories=["a", "b", "ü"], options=HeadOptions(hidden=(5,), epochs=3))
    head.with_temperature(1.7).save(tmp_path / "head.npz")
    again = Head.load(tmp_path / "head.npz")
    assert again.categories == ("a", "b", "ü")
    np.testing.assert_array_equal(again.probabilities(x), head.with_temperature(1.7).probabilities(x))
    (tmp_path / "head.npz").write_bytes((tmp_path / "head.npz").read_bytes()[:-40])
    with pytest.raises(ArtifactDamaged):
        Head.load(tmp_path / "head.npz")


def test_a_validation_part_whose_loss_is_no_number_ends_the_fit_in_words() -> None:
    x, labels = blobs(60, 4, 2)
    y, held_out = one_hot(labels, 2), np.full((10, x.shape[1]), np.nan, np.float32)
    for options in (HeadOptions(strength=1.0), HeadOptions(strength=1.0, hidden=(8,), epochs=2)):
        with pytest.raises(TrainingDiverged, match="The loss became nan in epoch 1"):
            fit_head(x, y, None, held_out, y[:10], categories=names(2), options=options)
