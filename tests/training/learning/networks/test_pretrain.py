"""Making the small backbone: pictures are read as promised, folding changes nothing, half precision is enough."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from training.learning.networks.pretrain import crop, draw_batch, read_pictures, save_half
from training.learning.networks.small import build_small, fold, load_into
from training.learning.networks.weights import ASSETS
from training.learning.probe import card, probe_features, read_set
from training.management.commands.pretrain import TEACHER


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    for name, classes in (("pets", ("cat", "dog")), ("cells", ("images",)), ("secret", ("a", "b"))):
        for one in classes:
            (tmp_path / name / one).mkdir(parents=True)
            for i in range(3):
                picture = np.random.default_rng(i).integers(0, 255, (50, 60, 3)).astype(np.uint8)
                Image.fromarray(picture).save(tmp_path / name / one / f"{i}.jpg")
    return tmp_path


def test_held_out_sets_are_not_read_and_folders_are_classes(sets: Path) -> None:
    data = read_pictures(sets, ["secret"])
    assert data.sets == {"cells": 3, "pets": 6}
    assert data.classes == ["pets/cat", "pets/dog"]
    assert data.labels.tolist() == [-1] * 3 + [0] * 3 + [1] * 3


def test_a_batch_is_in_range_and_its_labels_sum_to_at_most_one(sets: Path) -> None:
    data = read_pictures(sets, [])
    x, y = draw_batch(data, 16, 64, np.random.default_rng(0))
    assert x.shape == (16, 64, 64, 3)
    assert np.abs(x).max() <= 1
    assert (y.sum(axis=1) <= 1 + 1e-6).all()
    assert crop(data.images[0], 32, np.random.default_rng(0)).shape == (32, 32, 3)


def test_folding_batch_normalisation_and_half_precision_change_next_to_nothing(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    trained, rng = build_small(norm=True, size=64), np.random.default_rng(0)
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([
                gamma * rng.uniform(0.5, 1.5, gamma.shape), beta + rng.normal(0, 0.1, beta.shape),
                mean + rng.normal(0, 0.1, mean.shape), variance * rng.uniform(0.5, 2, variance.shape),
            ])  # fmt: skip
    size = save_half(fold(trained), tmp_path / "small.npz", {})
    assert size < 4_000_000
    folded = build_small(size=64)
    with np.load(tmp_path / "small.npz", allow_pickle=False) as arrays:
        load_into(folded, dict(arrays))
    pictures = rng.uniform(-1, 1, (4, 64, 64, 3)).astype(np.float32)
    ends = (keras.Model(model.input, model.get_layer("stage3_d_out").output) for model in (trained, folded))
    expected, actual = (np.asarray(end(pictures)) for end in ends)
    assert np.abs(actual - expected).max() < 0.01 * np.abs(expected).max()


def test_the_bundled_weights_are_small_and_documented() -> None:
    path = ASSETS / "crowdtune_small.npz"
    if not path.exists():
        pytest.skip("the repository has no trained weights yet: manage.py pretrain makes them")
    assert path.stat().st_size <= 4_000_000
    with np.load(path, allow_pickle=False) as arrays:
        assert {arrays[name].dtype for name in arrays.files} == {np.dtype(np.float16)}
        load_into(build_small(), dict(arrays))
    text = path.with_suffix(".md").read_text()
    assert "Never seen" in text
    assert "mobilenet_v2_0.35" in text


def test_a_probe_finds_what_is_linear() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    features = (np.eye(3)[labels] @ rng.normal(size=(3, 12)) * 3 + rng.normal(size=(200, 12))).astype(np.float32)
    assert np.mean(probe_features(features, labels, ["a", "b", "c"], splits=2)) > 0.9


def test_the_card_says_what_was_seen_and_measured() -> None:
    facts = {"parameters": 375224, "sets": {"pets": 6}, "held_out": ["secret"], "seconds": 10.0,
             "probe": {"crowdtune_small": {"secret": 0.8}, "mobilenet_v2_0.35": {"secret": 0.9}}}  # fmt: skip
    text = card(facts, 3_000_000)
    assert "pets (6)" in text
    assert "| crowdtune_small | 0.800 |" in text


def test_what_cannot_be_measured_or_taught_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "pets" / name / "1.png")
    paths = ("--images", str(tmp_path), "--weights", str(tmp_path), "--out", str(tmp_path / "small.npz"))
    with pytest.raises(CommandError, match="trashnet: expected a set to measure on"):
        call_command("pretrain", *paths)
    with pytest.raises(CommandError, match="the weights of the teacher are not there"):
        call_command("pretrain", *paths, "--hold-out", "pets")
    for nonsense, told in (
        (("--seconds", "0"), "--seconds must be above 0"),
        (("--seconds", "nan"), "--seconds must be above 0"),
        (("--crops", "0"), "--crops at least 1"),
        (("--out", str(tmp_path / "nowhere" / "small.npz")), "nowhere: expected a folder that can be written to"),
        (("--out", str(tmp_path / "small.json")), "expected a name that ends in .npz"),
        (("--measure-only",), "train first, without --measure-only"),
    ):
        with pytest.raises(CommandError, match=told):
            call_command("pretrain", *paths, "--hold-out", "pets", *nonsense)
    assert read_set(tmp_path / "pets", 32)[1].tolist() == [0, 1]


class Interrupted(io.StringIO):
    """A terminal at which somebody presses Ctrl-C when the first line is there."""

    def write(self, text: str) -> int:
        super().write(text)
        raise KeyboardInterrupt


def test_a_try_leaves_the_repositorys_network_alone_and_can_be_stopped(tmp_path: Path, settings: Any) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "pets" / name / "1.png")
    (tmp_path / TEACHER).parent.mkdir()
    (tmp_path / TEACHER).touch()
    paths, said = ("--images", str(tmp_path), "--weights", str(tmp_path)), Interrupted()

    with pytest.raises(CommandError, match="Each file is as it was or whole") as stopped:
        call_command("pretrain", *paths, "--hold-out", "--probe", "pets", stdout=said)

    assert stopped.value.returncode == 130
    assert f"{settings.DATA_DIR / 'pretrained' / 'crowdtune_small.npz'} is written when" in said.getvalue()
    assert "15.0 minutes of CPU" in said.getvalue()
