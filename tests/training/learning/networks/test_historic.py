"""AlexNet, ZFNet and GoogLeNet against their papers, and GoogLeNet against what its weights are known to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from labeling.files.imaging import pixels
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.historic import (
    LocalResponseNormalization,
    build_alexnet,
    build_googlenet,
    build_zfnet,
    load_by_name,
)
from training.learning.networks.network import preprocess


def shapes(model: Any, names: tuple[str, ...]) -> list[tuple[int, ...]]:
    return [tuple(model.get_layer(name).output.shape[1:]) for name in names]


def test_alexnet_has_the_papers_maps_and_60_million_parameters(without_values: Any) -> None:
    with without_values:
        model = build_alexnet(include_top=True)
    assert shapes(model, ("conv1", "conv2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7")) == [
        (55, 55, 96), (27, 27, 256), (13, 13, 384), (13, 13, 384), (13, 13, 256), (6, 6, 256), (4096,), (4096,),
    ]  # fmt: skip
    assert model.count_params() == 60_965_224
    assert model.get_layer("conv2_a").kernel.shape == (5, 5, 48, 128)  # each tower sees half the channels


def test_zfnet_has_the_papers_maps(without_values: Any) -> None:
    with without_values:
        model = build_zfnet(include_top=True)
    assert shapes(model, ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")) == [
        (110, 110, 96), (55, 55, 96), (26, 26, 256), (13, 13, 256), (13, 13, 256), (6, 6, 256),
    ]  # fmt: skip
    assert model.count_params() == 62_357_608


def test_googlenet_has_the_papers_maps_and_seven_million_parameters(without_values: Any) -> None:
    with without_values:
        model = build_googlenet(include_top=True)
    outputs = [f"inception_{name}_output" for name in ("3a", "3b", "4a", "4e", "5a", "5b")]
    assert shapes(model, ("conv1_7x7_s2", "pool1_3x3_s2", "conv2_3x3", *outputs)) == [
        (112, 112, 64), (56, 56, 64), (56, 56, 192), (28, 28, 256), (28, 28, 480), (14, 14, 512), (14, 14, 832),
        (7, 7, 832), (7, 7, 1024),
    ]  # fmt: skip
    assert model.count_params() == 6_998_552


def test_response_normalisation_by_hand() -> None:
    x = np.arange(1, 7, dtype=np.float32).reshape(1, 1, 1, 6)
    layer = LocalResponseNormalization(window=3, alpha=0.5, beta=0.75, bias=2.0)
    sums = np.array([1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16 + 25, 16 + 25 + 36, 25 + 36], np.float32)
    np.testing.assert_allclose(np.asarray(layer(x)).ravel(), x.ravel() / (2 + 0.5 * sums) ** 0.75, rtol=1e-5)
    again = LocalResponseNormalization.from_config(layer.get_config())
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(layer(x)))


def test_ceil_mode_pooling_keeps_the_last_row() -> None:
    x = np.zeros((1, 112, 112, 1), np.float32)
    x[0, 111, 111, 0] = 1
    pooled = np.asarray(keras.layers.MaxPooling2D(3, strides=2, padding="same")(x))
    assert pooled.shape == (1, 56, 56, 1)
    assert pooled[0, 55, 55, 0] == 1  # Caffe: the last window covers rows 110 and 111


@pytest.mark.slow
def test_googlenets_published_weights_know_cats_from_dogs(shared_data: Path) -> None:
    model = build_googlenet(include_top=True)
    load_by_name(model, shared_data / "weights" / BACKBONES["googlenet"].weights_file)
    # ImageNet's classes 151 to 268 are breeds of dogs, 281 to 285 of domestic cats: 5 of 1,000.
    for name, low, high, least in (("cat", 281, 285, 0.75), ("dog", 151, 268, 0.85)):
        files = sorted((shared_data / "images" / "cats_dogs" / name).glob("*.jpg"))[:20]
        pictures = np.stack([pixels(path.read_bytes(), 224) for path in files])
        answers = model.predict(np.asarray(preprocess(pictures, "bgr")), verbose=0).argmax(axis=1)
        assert ((answers >= low) & (answers <= high)).mean() >= least


def test_a_weights_file_without_a_layer_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1, name="conv")])
    with pytest.raises(KeyError):
        load_by_name(model, tmp_path / "empty.h5")
