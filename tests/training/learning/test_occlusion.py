"""The heat map that is measured."""

from __future__ import annotations

import numpy as np

from training.learning.occlusion import occlusion


def test_hiding_the_part_that_decides_is_what_the_occlusion_map_shows() -> None:
    image = np.full((70, 70, 3), 124, np.uint8)
    image[50:60, 10:20] = 255

    def bright(images: np.ndarray) -> np.ndarray:
        return (images == 255).mean(axis=(1, 2, 3))

    heat = occlusion(image, bright)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert (row, column) in {(4, 1), (5, 1), (4, 0), (5, 0), (4, 2), (5, 2)}
    assert heat[0, 6] == 0.0
