"""The maps that a trunk pools, out of the file that serves: what a heat map is drawn from, with no Keras at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.learning.networks.light import openvino


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
