"""Where a network looks, measured: how much a probability falls when a grey patch hides each part of the picture.

For any network, also one whose features are not the average of one layer's maps, which Grad-CAM needs.
Source: Zeiler & Fergus, Visualizing and Understanding Convolutional Networks (ECCV 2014).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
GREY = 124


def occlusion(
    image: NDArray[np.uint8], probability: Callable[[NDArray[np.uint8]], Floats], *, cells: int = 7
) -> NDArray[np.float64]:
    """How much the probability falls when a grey square hides each part, ``[cells, cells]`` in [0, 1].

    Args:
        image: ``[size, size, 3]``.
        probability: ``[n, size, size, 3] -> [n]`` of the class to explain.
        cells: Squares a side; each hidden patch is two cells wide.
    """
    size = len(image)
    step = size / cells
    hidden = np.repeat(image[None], cells * cells, axis=0)
    for row in range(cells):
        for column in range(cells):
            top, left = int((row - 0.5) * step), int((column - 0.5) * step)
            patch = hidden[row * cells + column]
            patch[max(top, 0) : int(top + 2 * step), max(left, 0) : int(left + 2 * step)] = GREY
    fall = float(probability(image[None])[0]) - np.asarray(probability(hidden), np.float64)
    heat = np.maximum(fall, 0.0).reshape(cells, cells)
    return heat / max(float(heat.max()), 1e-12)
