"""What layers see: maps, filters and heat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.learning.errors import LearningError
from training.learning.heads.dense import Head
from training.learning.networks.layers import Layers, averages_to, heat_of, tiled, tiled_maps
from training.learning.networks.light import openvino
from training.learning.networks.light import operations as ops

SIZE = 16


@pytest.fixture
def trunk(tmp_path: Path) -> Path:
    """A network by hand: one convolution that finds red and blue, ReLU, average pooling."""
    pixels = ops.parameter([-1, SIZE, SIZE, 3], np.uint8, name="pixels")
    floats = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    kernels = np.zeros((2, 3, 1, 1), np.float32)
    kernels[0, 0], kernels[1, 2] = 1, 1
    convolved = ops.convolution(floats, kernels, [1, 1], [0, 0], [0, 0], [1, 1])
    active = ops.relu(ops.add(convolved, np.full((1, 2, 1, 1), -100, np.float32)))
    pooled = ops.reduce_mean(active, np.array([2, 3]), keep_dims=False)
    path = tmp_path / "trunk.xml"
    openvino.save_model(openvino.Model([pooled], [pixels], "hand"), str(path), compress_to_fp16=False)
    return path


def test_the_maps_are_what_the_convolution_says_after_its_activation(trunk: Path) -> None:
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[2, 5, 0] = 250

    (seen,) = Layers(trunk, SIZE, count=1).see(picture)

    assert seen.maps.shape == (SIZE, SIZE, 2)
    assert seen.maps[2, 5, 0] == 150
    assert seen.maps.sum() == 150


def test_convolutions_that_weigh_whole_channels_are_not_shown(tmp_path: Path) -> None:
    """Squeeze and excitation, as in EfficientNet and MobileNetV3: one cell a channel shows nothing."""
    pixels = ops.parameter([-1, SIZE, SIZE, 3], np.uint8, name="pixels")
    floats = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    first = ops.convolution(floats, np.ones((4, 3, 3, 3), np.float32), [2, 2], [0, 0], [0, 0], [1, 1])
    squeezed = ops.reduce_mean(first, np.array([2, 3]), keep_dims=True)
    gate = ops.convolution(squeezed, np.ones((4, 4, 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    last = ops.convolution(
        ops.multiply(first, ops.sigmoid(gate)), np.ones((5, 4, 3, 3), np.float32), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    path = tmp_path / "trunk.xml"
    openvino.save_model(openvino.Model([last], [pixels], "squeezing"), str(path), compress_to_fp16=False)

    seen = Layers(path, SIZE).see(np.zeros((SIZE, SIZE, 3), np.uint8))

    assert [(layer.name, layer.maps.shape) for layer in seen] == [("1/2", (7, 7, 4)), ("2/2", (5, 5, 5))]


def test_two_convolutions_that_end_in_one_activation_are_shown_with_it(tmp_path: Path) -> None:
    """A block with a shortcut of its own, as in ResNet."""
    pixels = ops.parameter([-1, SIZE, SIZE, 3], np.uint8, name="pixels")
    floats = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    straight, shortcut = (
        ops.convolution(floats, np.full((2, 3, 1, 1), value, np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
        for value in (1, 2)
    )
    active = ops.relu(ops.add(straight, shortcut))
    last = ops.convolution(active, np.ones((4, 2, 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    path = tmp_path / "trunk.xml"
    openvino.save_model(openvino.Model([last], [pixels], "shortcut"), str(path), compress_to_fp16=False)

    first, second, third = Layers(path, SIZE).see(np.ones((SIZE, SIZE, 3), np.uint8))

    assert (first.maps == 9).all()
    assert (second.maps == 9).all()
    assert (third.maps == 18).all()
    assert third.maps.shape == (SIZE, SIZE, 4)


def test_the_filters_are_the_first_layers_own(trunk: Path) -> None:
    filters = Layers(trunk, SIZE, count=1).filters()

    assert filters.shape == (1, 3, 3)
    assert filters[0, 0].tolist() == [255, 0, 0]
    assert filters[0, 2].tolist() == [0, 0, 255]


def test_the_heat_lies_where_the_evidence_is() -> None:
    maps = np.zeros((4, 4, 2), np.float32)
    maps[1, 2, 0], maps[3, 3, 1] = 5, 5
    head = Head([(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2))], np.zeros(2), np.ones(2), 1.0, ("red", "blue"))

    assert heat_of(maps, head, 0).argmax() == 1 * 4 + 2
    assert heat_of(maps, head, 1).argmax() == 3 * 4 + 3


def test_heat_through_a_hidden_layer_is_the_gradient_of_the_logit() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 3, 4)).astype(np.float64)
    layers = [(rng.normal(size=(4, 5)), rng.normal(size=5)), (rng.normal(size=(5, 2)), np.zeros(2))]
    head = Head(layers, np.full(4, 0.1), np.full(4, 2.0), 1.0, ("a", "b"))

    def logit(x: np.ndarray) -> float:
        hidden = np.maximum((x.mean(axis=(0, 1)) - head.mean) / head.scale @ layers[0][0] + layers[0][1], 0)
        return float((hidden @ layers[1][0])[1])

    slope = np.zeros(4)
    for channel in range(4):
        moved = maps.copy()
        moved[..., channel] += 1e-6
        slope[channel] = (logit(moved) - logit(maps)) / 1e-6
    expected = np.maximum(maps @ slope, 0)

    np.testing.assert_allclose(heat_of(maps, head, 1), expected / expected.max(), rtol=1e-4, atol=1e-5)


def test_maps_that_are_not_the_features_are_refused() -> None:
    head = Head([(np.zeros((3, 2)), np.zeros(2))], np.zeros(3), np.ones(3), 1.0, ("a", "b"))

    with pytest.raises(LearningError, match="Expected maps of 3 channels"):
        heat_of(np.zeros((2, 2, 5)), head, 0)


def test_tiles_keep_every_picture_apart() -> None:
    pictures = np.stack([np.full((2, 2, 3), value) for value in (0.0, 1.0, 0.0)])

    grid = tiled(pictures)

    assert grid.shape == (5, 5, 3)
    assert grid[0, 0, 0] == 0
    assert grid[0, 3, 0] == 255
    assert tiled_maps(np.zeros((3, 3, 50))).shape[0] == 6 * 4 - 1


def test_features_that_were_normalised_after_the_average_are_told_from_it() -> None:
    maps = np.random.default_rng(0).normal(1, 1, (7, 7, 24)).astype(np.float32)
    average = maps.mean(axis=(0, 1))

    assert averages_to(maps, average)
    assert not averages_to(maps, (average - average.mean()) / average.std())
    assert not averages_to(maps, average[:12])
