"""What a trunk's layers look for and see: first filters, feature maps through the depth, and a class's heat map.

Everything is read from the exported network, so it needs no Keras and any backbone of the zoo gives it: the filters are
the first convolution's constants; the maps are more outputs of the same graph. Pictures come as uint8 arrays.

Source: Zeiler and Fergus 2014 (arXiv:1311.2901) for looking at filters and maps; Zhou et al. 2016 (arXiv:1512.04150)
for class activation maps, which equal Grad-CAM (Selvaraju et al. 2017) behind global average pooling and a linear head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.learning.errors import LearningError
from training.learning.heads.dense import Head
from training.learning.networks.light import openvino
from training.learning.occlusion import occlusion

CONVOLUTIONS = {"Convolution", "GroupConvolution"}
ACTIVATIONS = {"Relu", "Clamp", "Swish", "HSwish", "Elu", "Gelu", "Sigmoid", "PRelu"}
TILES = 36
GAP = 1


@dataclass(frozen=True)
class Seen:
    """One layer's answer to a picture: its place among the convolutions, its ``depth`` 0 (first) to 1 (last), and its
    ``maps`` float32 [h, w, channels]."""

    name: str
    depth: float
    maps: np.ndarray


class Layers:
    """A trunk opened for looking: its .xml with more outputs. Not for serving: it keeps every chosen map.

    Args:
        path: The trunk's .xml.
        size: Side of its input in pixels.
        count: How many layers through the depth, the last included.
    """

    def __init__(self, path: Path, size: int, count: int = 6) -> None:
        network = _read(path, size)
        found = [op for op in network.get_ordered_ops() if op.get_type_name() in CONVOLUTIONS]
        if not found:
            raise LearningError(f"{path} has no convolution to look at.", "no_convolution")
        self._filters = _weights_of(found[0])
        # Those that weigh whole channels (squeeze and excitation) see one cell: there is no picture in that.
        found = [op for op in found if max(op.output(0).shape[2:]) > 1] or found
        chosen = np.unique(np.linspace(0, len(found) - 1, count).round().astype(int))
        self.depths = [float(place / max(len(found) - 1, 1)) for place in chosen]
        self.names = [f"{place + 1}/{len(found)}" for place in chosen]
        outputs = [_activated(found[place]) for place in chosen]
        for output in outputs:
            if _name(output) not in _results(network):  # two convolutions of a shortcut end in one activation
                network.add_outputs([output])
        self._places = [_results(network)[_name(output)] for output in outputs]
        self._compiled = _compiled(network)

    def filters(self) -> np.ndarray:
        """The first convolution's kernels as one picture, uint8 [h, w, 3]: each stretched to its own range."""
        kernels = self._filters[:TILES].transpose(0, 2, 3, 1)
        if kernels.shape[-1] != 3:
            kernels = np.repeat(kernels.mean(axis=-1, keepdims=True), 3, axis=-1)
        low, high = kernels.min(axis=(1, 2, 3), keepdims=True), kernels.max(axis=(1, 2, 3), keepdims=True)
        return tiled((kernels - low) / np.maximum(high - low, 1e-9))

    def see(self, picture: np.ndarray) -> list[Seen]:
        """uint8 [size, size, 3] -> what each chosen layer answers, in the order of depth."""
        answers = _answers(self._compiled, picture, self._places)
        return [
            Seen(name, depth, answer.transpose(1, 2, 0))
            for name, depth, answer in zip(self.names, self.depths, answers, strict=True)
        ]


class PooledMaps:
    """A trunk that gives the maps which it pools, by one more output of its file.

    Args:
        path: The trunk's .xml.
        size: Side of its input in pixels.

    Raises:
        LearningError: It does not end in global average pooling.
    """

    def __init__(self, path: Path, size: int) -> None:
        network = _read(path, size)
        maps, self._channels_last = _before_pooling(network)
        network.add_outputs([maps])
        self._compiled = _compiled(network)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [size, size, 3] -> float32 [h, w, channels]."""
        (maps,) = _answers(self._compiled, picture, [1])
        return maps if self._channels_last else maps.transpose(1, 2, 0)


def _read(path: Path, size: int) -> Any:
    network = openvino.Core().read_model(str(path))
    network.reshape([1, size, size, 3])
    return network


def _compiled(network: Any) -> Any:
    return openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def _answers(compiled: Any, picture: np.ndarray, places: list[int]) -> list[np.ndarray]:
    """What the outputs at these places say of one picture."""
    request = compiled.create_infer_request()
    request.infer([picture[None]])
    return [np.array(request.get_output_tensor(place).data)[0] for place in places]


def _before_pooling(network: Any) -> tuple[Any, bool]:
    """The output that the global average pooling reads, and whether its channels come last."""
    node = network.outputs[0].get_node()
    for _ in range(8):
        if node.get_type_name() == "ReduceMean":
            axes = node.input_value(1).get_node().get_data().ravel().tolist()
            return node.input_value(0), sorted(axis % 4 for axis in axes) == [1, 2]
        node = node.input_value(0).get_node()
    raise LearningError("The trunk does not end in global average pooling.", "no_pooling")


def _name(output: Any) -> tuple[str, int]:
    return output.get_node().get_friendly_name(), output.get_index()


def _results(network: Any) -> dict[tuple[str, int], int]:
    """What the network gives out -> its place among the outputs."""
    return {_name(result.input_value(0)): place for place, result in enumerate(network.get_results())}


def _weights_of(convolution: Any) -> np.ndarray:
    """float32 [out, in, h, w], through the conversions that an exporter puts between constant and convolution."""
    node = convolution.input_value(1).get_node()
    for _ in range(4):
        if node.get_type_name() == "Constant":
            values = np.array(node.get_data(), np.float32)
            return values.reshape(-1, *values.shape[-3:])
        node = node.input_value(0).get_node()
    raise LearningError("The first convolution's weights are no constant.", "no_filters")


def _activated(convolution: Any) -> Any:
    """The output behind the convolution's bias and activation, where it is followed by them; else its own."""
    output = convolution.output(0)
    for _ in range(4):
        targets = list(output.get_target_inputs())
        if len(targets) != 1:
            return output
        node = targets[0].get_node()
        if node.get_type_name() in ACTIVATIONS:
            return node.output(0)
        if node.get_type_name() not in {"Add", "Multiply"}:
            return output
        output = node.output(0)
    return output


def tiled_maps(maps: np.ndarray) -> np.ndarray:
    """float32 [h, w, channels] -> the most active channels as one picture, uint8 [h', w', 3], brightest = strongest."""
    strength = maps.max(axis=(0, 1)) - maps.min(axis=(0, 1))
    chosen = np.sort(np.argsort(-strength, kind="stable")[:TILES])
    kept = maps[..., chosen].transpose(2, 0, 1)
    low, high = kept.min(axis=(1, 2), keepdims=True), kept.max(axis=(1, 2), keepdims=True)
    return tiled(np.repeat(((kept - low) / np.maximum(high - low, 1e-9))[..., None], 3, axis=-1))


def tiled(pictures: np.ndarray) -> np.ndarray:
    """float [n, h, w, 3] in 0..1 -> uint8, in a grid that is about square, with a gap between."""
    n, h, w, _ = pictures.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    grid = np.full((rows * (h + GAP) - GAP, columns * (w + GAP) - GAP, 3), 0.5)
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (h + GAP), (index % columns) * (w + GAP)
        grid[top : top + h, left : left + w] = picture
    return np.rint(grid * 255).astype(np.uint8)


def heat_map(
    maps: np.ndarray | None, head: Head | None, picture: np.ndarray, features: np.ndarray, category: int,
    probability: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, bool]:  # fmt: skip
    """Where the evidence for a category lies, float [h, w] in 0..1, and whether that was measured.

    It is derived where a head weighs the average of these maps; else, as of a tail, parts of the picture are hidden.

    Args:
        maps: [h, w, channels] before the pooling, where there are such.
        picture: uint8 [size, size, 3].
        features: [dim] of the picture.
        category: Index of the output.
        probability: Pictures [n, size, size, 3] -> [n] of the category.
    """
    if maps is None or head is None or not averages_to(maps, features):
        return occlusion(picture, probability), True
    return heat_of(maps, head, category), False


def averages_to(maps: np.ndarray, features: np.ndarray) -> bool:
    """Whether the features [dim] are the average of the maps [h, w, channels], which ``heat_of`` builds on.

    As many channels are not enough: behind ConvNeXt's last convolution come dense layers and a normalisation.
    """
    if maps.shape[-1] != len(features):
        return False
    return bool(np.allclose(maps.mean(axis=(0, 1)), features, rtol=1e-2, atol=1e-3 * float(np.abs(features).max())))


def heat_of(maps: np.ndarray, head: Head, category: int) -> np.ndarray:
    """Where a linear head's evidence for a category lies: float32 [h, w] in 0..1.

    Args:
        maps: [h, w, dim] of the layer that the trunk averages.
        head: Behind the pooling; a hidden layer is passed by its slope at this picture.
        category: Index of the output.

    Raises:
        LearningError: The maps are not those that the head's features are the average of.
    """
    if maps.shape[-1] != head.dim:
        raise LearningError(f"Expected maps of {head.dim} channels; got {maps.shape[-1]}.", "bad_shapes")
    slope = head.layers[-1][0][:, category]
    h = (maps.mean(axis=(0, 1)) - head.mean) / head.scale
    before = [h]
    for W, b in head.layers[:-1]:
        before.append(np.maximum(before[-1] @ W + b, 0))
    for index in range(len(head.layers) - 2, -1, -1):
        slope = head.layers[index][0] @ (slope * (before[index + 1] > 0))
    heat = np.maximum(maps @ (slope / head.scale), 0)
    return np.asarray(heat / max(float(heat.max()), 1e-9), np.float32)
