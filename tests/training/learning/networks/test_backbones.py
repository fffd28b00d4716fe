"""The zoo against Keras itself: every entry builds, counts, cuts and preprocesses as the table says.

Models are built without values, so that the largest costs seconds and no memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests import ROOT
from tests.training.learning.conftest import SMALL
from training.learning.networks.backbones import BACKBONES, Backbone
from training.learning.networks.boundary import cut_tensor
from training.learning.networks.network import PREPROCESSING, _built, build, preprocess
from training.learning.networks.weights import Weights, locate

QUICK = ("crowdtune_small", "mobilenet_0.25", "mobilenet_v2_0.35", "vgg16", "alexnet", "zfnet", "googlenet")
APPLICATIONS = {name for name in dir(keras.applications) if name[0].isupper()}


def check(backbone: Backbone, without_values: Any) -> None:
    with without_values:
        model = _built(backbone, None, backbone.size, None)  # ``build`` would draw the numbers of each of its weights
    assert model.count_params() == backbone.parameters
    assert model.input_shape[1:] == (backbone.size, backbone.size, 3)
    if backbone.cut:
        tensor = cut_tensor(model, backbone.cut)
        behind = keras.Model(tensor, model.output)
        assert 0 < sum(int(np.prod(w.shape)) for w in behind.weights) < backbone.parameters
        deeper = keras.Model(cut_tensor(model, backbone.boundary(deeper=True)), model.output)
        assert behind.count_params() < deeper.count_params() < backbone.parameters
        assert tensor.shape[1] > model.output_shape[1] or backbone.key in {"alexnet", "zfnet"} or tensor.shape[1] >= 7


@pytest.mark.parametrize("key", QUICK)
def test_an_entry_is_what_the_table_says(key: str, without_values: Any) -> None:
    check(BACKBONES[key], without_values)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("key", [key for key in BACKBONES if key not in QUICK])
def test_every_other_entry_is_what_the_table_says(key: str, without_values: Any) -> None:
    check(BACKBONES[key], without_values)


def test_every_architecture_of_keras_applications_is_there() -> None:
    assert {backbone.builder for backbone in BACKBONES.values()} >= APPLICATIONS


def test_keys_are_names_and_one_entry_brings_its_weights_along() -> None:
    assert all(key == backbone.key for key, backbone in BACKBONES.items())
    assert sum(backbone.bundled for backbone in BACKBONES.values()) == 1


class _Asked(Exception):
    pass


@pytest.mark.parametrize(
    "key", ["vgg16", "resnet50", "resnet50_v2", "mobilenet_v2_0.35", "mobilenet_0.25", "mobilenet_v3_small"]
)
def test_the_file_and_its_hash_are_those_that_keras_would_fetch(
    key: str, without_values: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = BACKBONES[key]
    asked: dict[str, Any] = {}

    def get_file(fname: str, origin: str, **options: Any) -> str:
        asked.update(options, fname=fname, origin=origin)
        raise _Asked

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with without_values, pytest.raises(_Asked):
        getattr(keras.applications, backbone.builder)(include_top=False, input_shape=(224, 224, 3), **backbone.options)
    assert (asked["fname"], asked["origin"]) == (backbone.weights_file, backbone.weights_url)
    assert (asked.get("file_hash") or "") == backbone.weights_hash


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("tf", "mobilenet_v2"), ("tf", "xception"), ("tf", "resnet_v2"), ("caffe", "vgg16"), ("caffe", "resnet"),
        ("torch", "densenet"), ("inside", "efficientnet_v2"), ("inside", "convnext"), ("inside", "mobilenet_v3"),
    ],
)  # fmt: skip
def test_preprocessing_equals_that_of_keras(name: str, module: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3)).astype(np.uint8)
    theirs = getattr(keras.applications, module).preprocess_input(pixels.astype(np.float32))
    np.testing.assert_allclose(np.asarray(preprocess(pixels, name)), theirs, atol=2e-5)


def test_every_entry_names_a_preprocessing_that_exists() -> None:
    assert {backbone.preprocessing for backbone in BACKBONES.values()} <= PREPROCESSING.keys()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_efficientnet_from_a_file_answers_as_with_imagenet_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras inserts a division only for weights="imagenet"; ours stands in front and has to come to the same."""
    keras.utils.set_random_seed(3)
    path = tmp_path / "weights.h5"
    source = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    normalisation = next(layer for layer in source.layers if isinstance(layer, keras.layers.Normalization))
    normalisation.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
    source.save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.weights.h5").rename(tmp_path / "y.weights.h5")
    path = tmp_path / "y.weights.h5"
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *a, **k: str(path))
    theirs = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    backbone = replace(BACKBONES["efficientnet_b0"], size=64)
    ours = build(backbone, Weights(path, "unknown_hash", "", path))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    expected = np.asarray(theirs(pixels.astype(np.float32)))
    actual = np.asarray(ours(preprocess(pixels, backbone.preprocessing)))
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


def test_random_weights_are_the_same_on_every_backend() -> None:
    missing = locate(BACKBONES["alexnet"], Path("/nonexistent"))
    assert missing.state == "random"
    first, second = (build(BACKBONES["alexnet"], missing).get_weights()[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    drawn = np.random.default_rng(0).standard_normal((11, 11, 3, 96), np.float32)
    np.testing.assert_allclose(first, drawn * (2 / 363) ** 0.5, rtol=1e-6)


def test_products_are_not_rounded_to_ten_bits_where_a_gpu_would() -> None:
    """A GPU is needed to see the difference; that each backend was told not to is seen anywhere."""
    build(SMALL)
    if keras.config.backend() == "jax":
        import jax

        assert jax.config.jax_default_matmul_precision == "highest"
    else:
        import tensorflow

        assert not tensorflow.config.experimental.tensor_float_32_execution_enabled()


_ELSEWHERE = """
from training.learning.networks.heavy import keras
from tests.training.learning.conftest import SMALL
from training.learning.networks.network import trunk_model
from training.learning.tuning.devices import Devices, training_on
assert (keras.config.image_data_format(), keras.config.floatx()) == ("channels_first", "float16")
with training_on(Devices()):
    model = trunk_model(SMALL, cut=SMALL.cut)
print(*model.output_shape[1:], model.output.dtype)
"""


def test_what_keras_is_told_in_the_users_home_changes_no_network(tmp_path: Path) -> None:
    told = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 1e-3, "backend": "tensorflow"}
    (tmp_path / "keras.json").write_text(json.dumps(told))
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _ELSEWHERE], env=environment, capture_output=True, text=True,
                          cwd=ROOT, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [*map(str, cut_tensor(build(SMALL), SMALL.cut).shape[1:]), "float32"]
