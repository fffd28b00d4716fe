"""Heat maps by formula, against numeric gradients and a network made by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from inference.explain.heat import FeatureMaps, grad_cam, head_gradient
from training.learning.light import openvino
from training.learning.light import operations as ops


def logits(layers, features, mean, scale):
    x = (features - mean) / scale
    for weights, bias in layers[:-1]:
        x = np.maximum(x @ weights + bias, 0)
    return x @ layers[-1][0] + layers[-1][1]


@pytest.mark.parametrize("widths", [(6, 3), (6, 5, 3), (6, 7, 4, 3)])
def test_the_gradient_of_a_head_equals_the_numeric_one(widths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(a, b)), rng.normal(size=b)) for a, b in itertools.pairwise(widths)]
    features, mean, scale = rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 2, 6)
    gradient = head_gradient(layers, features, mean, scale, 1)
    step = 1e-6
    numeric = [
        (
            logits(layers, features + step * unit, mean, scale)[1]
            - logits(layers, features - step * unit, mean, scale)[1]
        )
        / (2 * step)
        for unit in np.eye(6)
    ]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-7)


def test_the_map_is_hot_where_the_channel_that_speaks_for_the_class_is() -> None:
    maps = np.zeros((4, 4, 2))
    maps[1, 2, 0] = 5.0  # speaks for the class
    maps[3, 3, 1] = 9.0  # speaks against it
    heat = grad_cam(maps, np.array([2.0, -1.0]))
    assert heat.argmax() == 1 * 4 + 2
    assert heat[1, 2] == 1.0
    assert heat[3, 3] == 0.0


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_maps_before_the_pooling_are_found_in_the_file_of_a_trunk(tmp_path: Path, channels_last: bool) -> None:
    images = ops.parameter([1, 8, 8, 3], np.uint8, name="images")
    maps = ops.convert(images, np.float32)
    if not channels_last:
        maps = ops.transpose(maps, [0, 3, 1, 2])
    pooled = ops.reduce_mean(maps, [1, 2] if channels_last else [2, 3], keep_dims=False)
    openvino.save_model(openvino.Model([pooled], [images]), str(tmp_path / "trunk.xml"), compress_to_fp16=False)
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(FeatureMaps(tmp_path / "trunk.xml", 8)(image), image.astype(np.float32))
