"""A heat map drawn over its image, as PNG.

The colours are those of viridis' warm sister (dark violet to yellow), which stay in order for colour-blind readers and
in grey print; where the map is 0 the image shows through.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

# Six anchors of "inferno" (van der Walt & Smith, 2015), interpolated.
_ANCHORS = np.array(
    [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]], np.float64
)
OPACITY = 0.75


def colours(heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """``[h, w]`` in [0, 1] -> RGB ``[h, w, 3]``."""
    at = np.clip(heat, 0, 1) * (len(_ANCHORS) - 1)
    channels = [np.interp(at, np.arange(len(_ANCHORS)), _ANCHORS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def overlay(image: Image.Image, heat: NDArray[np.floating], *, longest: int = 640) -> bytes:
    """PNG bytes of the image, at most ``longest`` pixels a side, under its map."""
    base = image.convert("RGB")
    base.thumbnail((longest, longest), Resampling.BILINEAR)
    grid = Image.fromarray(np.asarray(heat, np.float32), mode="F").resize(base.size, Resampling.BICUBIC)
    values = np.clip(np.asarray(grid, np.float64), 0, 1)
    mask = Image.fromarray(np.rint(values * 255 * OPACITY).astype(np.uint8), mode="L")
    base.paste(Image.fromarray(colours(values)), (0, 0), mask)
    buffer = io.BytesIO()
    base.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
