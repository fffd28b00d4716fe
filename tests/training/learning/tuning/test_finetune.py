"""Fine-tuning behind cached activations: the same mathematics as the whole network, resumable, and never worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.learning.conftest import SMALL
from training.learning.artifact import load_version, write_version
from training.learning.errors import Cancelled, TooLittleData, TrainingDiverged
from training.learning.heads.dense import Head, softmax
from training.learning.heads.head import fit_head
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.boundary import too_little
from training.learning.networks.trunk import Trunk
from training.learning.networks.weights import Weights
from training.learning.tuning.finetune import build_tail, fine_tune, whole_model
from training.learning.tuning.keras_loop import LoopOptions, Part, fit_epochs, predict_logits
from training.learning.verify import verify

Set = tuple[np.ndarray, np.ndarray, Head]


@pytest.fixture(scope="module")
def activations(small_trunk: Trunk, cut_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray]) -> Set:
    pictures, labels = drawn
    y = np.eye(2, dtype=np.float32)[labels]
    head, _ = fit_head(small_trunk.embed(pictures)[:40], y[:40], categories=["across", "down"])
    return cut_trunk.embed(pictures).reshape(-1, *cut_trunk.shape), y, head


def parts(activations: Set) -> tuple[Part, Part]:
    x, y, _ = activations
    return Part(lambda at: x[:40][at], y[:40]), Part(lambda at: x[40:][at], y[40:])


# Few steps at a low rate, and patience for all of them.
OPTIONS = LoopOptions(epochs=3, learning_rate=1e-5, patience=10)


@pytest.fixture(scope="module")
def tuned(activations: Set, small_weights: Weights) -> tuple[Any, dict[str, Any]]:
    """A model and its history, made once for all tests that only look at them: most of its cost is to compile it."""
    return fine_tune(SMALL, small_weights, activations[2], *parts(activations), options=OPTIONS)


def test_the_tail_begins_as_the_extraction_model(activations: Set, small_trunk: Trunk, small_weights: Weights,
                                                 drawn: tuple[np.ndarray, np.ndarray]) -> None:  # fmt: skip
    x, y, head = activations
    tail = build_tail(SMALL, small_weights, head)
    expected = head.logits(small_trunk.embed(drawn[0]))
    np.testing.assert_allclose(predict_logits(tail, Part(lambda at: x[at], y)), expected, atol=2e-3)


def test_once_it_is_known_how_long_all_images_are_learned_from(activations: Set, small_weights: Weights) -> None:
    x, y, head = activations
    whole, nothing = Part(lambda at: x[at], y), Part(lambda at: x[at], y[:0])
    tail, history = fine_tune(SMALL, small_weights, head, whole, nothing, options=LoopOptions(epochs=6, stop=2))
    assert (len(history["loss"]), history["best_epoch"]) == (2, 2)
    untouched, none = fine_tune(SMALL, small_weights, head, whole, nothing, options=LoopOptions(stop=0))
    assert (none["loss"], none["best_epoch"]) == ([], 0)
    start = predict_logits(build_tail(SMALL, small_weights, head), whole)
    np.testing.assert_allclose(predict_logits(untouched, whole), start, atol=1e-5)
    assert np.abs(predict_logits(tail, whole) - start).max() > 1e-3
    with pytest.raises(TooLittleData):
        fine_tune(SMALL, small_weights, head, whole, nothing)


@pytest.mark.parametrize(
    ("deeper", "first", "before"), [(False, "block_16", "block_15"), (True, "block_13", "block_12")]
)
def test_only_what_lies_behind_the_cut_is_trained_and_no_batch_normalisation(
    deeper: bool, first: str, before: str
) -> None:
    backbone = BACKBONES["mobilenet_v2_0.35"]
    head = Head([(np.zeros((1280, 2), np.float32), np.zeros(2, np.float32))], np.zeros(1280, np.float32),
                np.ones(1280, np.float32), 1.0, ("a", "b"))  # fmt: skip
    tail = build_tail(backbone, Weights(None, "random", "", Path()), head, backbone.boundary(deeper))
    norms = [layer for layer in tail._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert not any(layer.trainable for layer in norms)
    assert any(first in weight.path for weight in tail.trainable_weights)
    assert not any(before in weight.path for weight in tail.weights)


def test_it_learns_and_the_best_epoch_is_kept(activations: Set, small_weights: Weights, tuned: Any) -> None:
    _, validation = parts(activations)
    model, history = tuned
    assert history["loss"][-1] < history["loss"][0]
    logits = predict_logits(model, validation).astype(np.float64)
    loss = -np.log(softmax(logits)[validation.y.argmax(axis=1)[:, None] == [0, 1]]).mean()
    before = build_tail(SMALL, small_weights, activations[2])
    at_start = predict_logits(before, validation).astype(np.float64)
    start_loss = -np.log(softmax(at_start)[validation.y.argmax(axis=1)[:, None] == [0, 1]]).mean()
    assert loss <= start_loss + 1e-6


def test_the_rate_falls_along_a_half_cosine_or_stays() -> None:
    options = LoopOptions(epochs=4, learning_rate=1.0)
    assert [options.rate(epoch) for epoch in range(4)] == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-5)
    assert [replace(options, schedule="constant").rate(epoch) for epoch in range(4)] == [1.0] * 4


def test_a_killed_fit_goes_on_where_it_was_to_the_same_weights(
    activations: Set, small_weights: Weights, tuned: Any, tmp_path: Path
) -> None:
    epochs: list[int] = []
    drawn: list[int] = []  # of the live curves, which begin with the first epoch, not with the second attempt

    def kill_in_the_second(report: dict[str, Any]) -> bool:
        return not (report["stage"] == "fit" and report["epoch"] == 2)

    def note(report: dict[str, Any]) -> bool:
        if report["stage"] == "epoch":
            epochs.append(report["epoch"])
            drawn.append(len(report["curves"]["val_loss"]))
        return True

    arguments = (SMALL, small_weights, activations[2], *parts(activations))
    with pytest.raises(Cancelled):
        fine_tune(*arguments, options=OPTIONS, checkpoint=tmp_path / "fit.npz", progress=kill_in_the_second)
    model, history = fine_tune(*arguments, options=OPTIONS, checkpoint=tmp_path / "fit.npz", progress=note)
    assert epochs == drawn == [1, 2, 3]
    assert history == tuned[1]
    for resumed, whole in zip(model.get_weights(), tuned[0].get_weights(), strict=True):
        np.testing.assert_array_equal(resumed, whole)


def test_after_a_kill_the_same_is_dropped_out_as_without_one_and_a_checkpoint_that_does_not_fit_is_none(
    tmp_path: Path,
) -> None:
    """EfficientNet and ConvNeXt have such layers in their last blocks."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 8)).astype(np.float32), np.eye(2, dtype=np.float32)[np.arange(24) % 2]
    part = Part(lambda at: x[at], y)

    def fitted(epochs_seen: int = 9, more: tuple[Any, ...] = ()) -> tuple[list[np.ndarray], dict[str, Any]]:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8,)), *more, keras.layers.Dropout(0.5), keras.layers.Dense(2)])
        history = fit_epochs(
            model, part, part, LoopOptions(epochs=3, batch_size=8, learning_rate=0.1), checkpoint=tmp_path / "fit.npz",
            progress=lambda report: report["stage"] != "epoch" or report["epoch"] < epochs_seen,
        )  # fmt: skip
        return model.get_weights(), history

    with pytest.raises(Cancelled):
        fitted(epochs_seen=2)
    resumed, curves = fitted()
    (tmp_path / "fit.npz").write_bytes(b"damaged")
    whole, expected = fitted()
    assert curves == expected
    for first, second in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(first, second)
    assert len(fitted(more=(keras.layers.Dense(4),))[1]["loss"]) == 3  # of another network, as after an upgrade


@pytest.mark.parametrize(("pictures", "is_kept"), [(10, False), (1000, True)])
def test_what_it_began_with_stays_where_the_rest_may_be_chance(pictures: int, is_kept: bool) -> None:
    """Six of ten are of one class: to learn that lowers the mean loss by .02 of .69, which ten pictures cannot show."""
    y = np.eye(2, dtype=np.float32)[(np.arange(1000) % 10 >= 6).astype(int)]
    train, validation = (Part(lambda at: np.ones((len(at), 1), np.float32), y[:many]) for many in (1000, pictures))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    history = fit_epochs(model, train, validation, LoopOptions(epochs=5, learning_rate=0.01, decay=0.0))
    assert min(history["val_loss"]) < np.log(2)
    assert (history["best_epoch"] > 0) == is_kept
    assert bool(np.any(model.get_weights()[0])) == is_kept


def test_a_fine_tuned_version_answers_like_keras(
    activations: Set, small_weights: Weights, cut_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray], tuned: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    _, validation = parts(activations)
    model, _ = tuned
    write_version(
        tmp_path / "1", tail=model, tail_shape=cut_trunk.shape, categories=["across", "down"],
        trunk_key=cut_trunk.key, backbone=SMALL.key, size=128, temperature=1.3, recipe="fine_tuning", metrics={},
    )  # fmt: skip
    found = verify(tmp_path / "1", cut_trunk, whole_model(SMALL, small_weights, model, 1.3), drawn[0][:8])
    assert found["verification"]["passed"]
    version = load_version(tmp_path / "1")
    assert version.head is None
    expected = softmax(predict_logits(model, validation) / 1.3)
    actual = version.probabilities_from_features(activations[0][40:].reshape(20, -1))
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_loss_that_explodes_ends_the_fit(activations: Set, small_weights: Weights) -> None:
    x, y, head = activations
    train = Part(lambda at: x[:40][at], y[:40])
    options = LoopOptions(epochs=3, learning_rate=10**30)  # as the database gives back 1e30
    with pytest.raises(TrainingDiverged, match="Lower the rate"):
        fine_tune(SMALL, small_weights, head, train, parts(activations)[1], options=options)


def test_too_little_data_is_refused_with_the_reason(activations: Set, small_weights: Weights) -> None:
    assert "15 in each" in too_little(SMALL, {"a": 100, "b": 3})
    assert too_little(SMALL, {"a": 100, "b": 100}) == ""
    assert "no single place" in too_little(BACKBONES["nasnet_mobile"], {"a": 100, "b": 100})
    train, _ = parts(activations)
    with pytest.raises(TooLittleData):
        fine_tune(SMALL, small_weights, activations[2], train, Part(train.rows, train.y[:0]))
