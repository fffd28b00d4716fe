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
CELLS = 7  # squares a side; each hidden patch is two of them wide


def occlusion(image: NDArray[np.uint8], probability: Callable[[NDArray[np.uint8]], Floats]) -> NDArray[np.float64]:
    """How much the probability falls when a grey square hides each part, ``[CELLS, CELLS]`` in [0, 1].

    Args:
        image: ``[size, size, 3]``.
        probability: ``[n, size, size, 3] -> [n]`` of the class to explain.
    """
    size = len(image)
    step = size / CELLS
    hidden = np.repeat(image[None], CELLS * CELLS, axis=0)
    for row in range(CELLS):
        for column in range(CELLS):
            top, left = int((row - 0.5) * step), int((column - 0.5) * step)
            patch = hidden[row * CELLS + column]
            patch[max(top, 0) : int(top + 2 * step), max(left, 0) : int(left + 2 * step)] = GREY
    fall = float(probability(image[None])[0]) - np.asarray(probability(hidden), np.float64)
    heat = np.maximum(fall, 0.0).reshape(CELLS, CELLS)
    return heat / max(float(heat.max()), 1e-12)
