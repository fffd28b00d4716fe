"""Heat maps without a training framework.

Grad-CAM weighs each channel of the last feature maps by the gradient of the class's logit, averaged over the map, and
keeps what is positive. Behind global average pooling and a small head that gradient has a closed form (the head's own
backward pass divided by the map's area), so a served artifact explains itself exactly, with no Keras at hand. For
other versions the map is measured: ``training.learning.occlusion``.

Source: Selvaraju et al., Grad-CAM (ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.learning.light import openvino

Floats = NDArray[np.floating]


class FeatureMaps:
    """A trunk that gives the maps before its pooling: the same file, with one more output."""

    def __init__(self, path: Path, size: int) -> None:
        """``path`` of the trunk's .xml; ``size`` of its input in pixels."""
        core = openvino.Core()
        network = core.read_model(str(path))
        network.reshape([1, size, size, 3])
        maps, self._channels_last = _before_pooling(network)
        network.add_outputs([maps])
        self._compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 ``[size, size, 3]`` -> ``[h, w, channels]``."""
        request = self._compiled.create_infer_request()
        request.infer([image[None]])
        maps = np.array(request.get_output_tensor(1).data)[0]
        return maps if self._channels_last else maps.transpose(1, 2, 0)


def _before_pooling(network: Any) -> tuple[Any, bool]:
    """The output that the global average pooling reads, and whether its channels come last.

    Raises:
        ValueError: The trunk does not end in global average pooling.
    """
    node = network.outputs[0].get_node()
    for _ in range(8):
        if node.get_type_name() == "ReduceMean":
            axes = node.input_value(1).get_node().get_data().ravel().tolist()
            return node.input_value(0), sorted(axis % 4 for axis in axes) == [1, 2]
        node = node.input_value(0).get_node()
    raise ValueError("The trunk does not end in global average pooling.")


def head_gradient(
    layers: Sequence[tuple[Floats, Floats]], features: Floats, mean: Floats, scale: Floats, category: int
) -> NDArray[np.float64]:
    """Gradient of one logit with respect to the pooled features, ``[dim]``.

    Args:
        layers: ``(W [in, out], b [out])`` each, ReLU between them.
        features: ``[dim]``.
        mean: ``[dim]``, subtracted first.
        scale: ``[dim]``, divided by then.
        category: Index of the logit.
    """
    x = (np.asarray(features, np.float64) - mean) / scale
    open_units = []
    for weights, bias in layers[:-1]:
        x = x @ weights + bias
        open_units.append(x > 0)
        x = np.maximum(x, 0.0)
    gradient = np.asarray(layers[-1][0], np.float64)[:, category]
    for (weights, _bias), mask in zip(reversed(layers[:-1]), reversed(open_units), strict=True):
        gradient = np.asarray(weights, np.float64) @ (gradient * mask)
    return gradient / scale


def grad_cam(maps: Floats, gradient: Floats) -> NDArray[np.float64]:
    """``[h, w, c]`` maps and the gradient of pooled features ``[c]`` -> ``[h, w]`` in [0, 1]."""
    heat = np.maximum(np.asarray(maps, np.float64) @ gradient / (maps.shape[0] * maps.shape[1]), 0.0)
    return heat / max(float(heat.max()), 1e-12)
