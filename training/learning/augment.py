"""Augmented views of a picture: a fixed number each, always the same for the same picture, so that they can be cached.

Why fixed: a frozen trunk turns each augmented picture into features that never change, so ``views`` of them cost
``views`` embeddings once, ever, where augmenting anew in each epoch costs one per epoch and per retrain. What is lost
is variety: with 4 views and 15 epochs each of the five versions is seen three times. bench/transfer.py measures both
(docs/decisions/0031-augmentation.md). Pictures in, pictures out: uint8 and numpy, before any network.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

VERSION = 1  # part of the cache key: change it with what ``view`` does
VIEWS = 4


@dataclass(frozen=True)
class Augmentation:
    """How far a view may go from its picture.

    Attributes:
        mirror: Left and right may be swapped (not for text or traffic signs).
        area: The least share of the picture's area that a view shows.
        degrees: Largest rotation.
        light: Largest relative change of contrast and of brightness.
    """

    mirror: bool = True
    area: float = 0.6
    degrees: float = 12.0
    light: float = 0.25

    @property
    def name(self) -> str:
        return f"{VERSION}:{self.mirror:d}:{self.area}:{self.degrees}:{self.light}"


def view_key(sha256: str, index: int, augmentation: Augmentation) -> str:
    """What a view's features are stored under: as good as a hash of the view's own pixels."""
    return hashlib.sha256(f"{sha256}:view {index}:{augmentation.name}".encode()).hexdigest()


def view(picture: np.ndarray, sha256: str, index: int, augmentation: Augmentation | None = None) -> np.ndarray:
    """View number ``index`` of a picture.

    Args:
        picture: uint8 ``[s, s, 3]``, as the network would see it.
        sha256: Of the image file; with ``index`` it is the seed.

    Returns:
        uint8 ``[s, s, 3]``.
    """
    rule = augmentation or Augmentation()
    rng = np.random.default_rng(int(view_key(sha256, index, rule)[:16], 16))
    size = picture.shape[0]
    side = math.sqrt(rng.uniform(rule.area, 1.0)) * size
    left, top = rng.uniform(0, size - side), rng.uniform(0, size - side)
    angle = math.radians(rng.uniform(-rule.degrees, rule.degrees))
    mirror = rule.mirror and rng.random() < 0.5
    image = Image.fromarray(picture)
    coefficients = _affine(size, left, top, side, angle, mirror)
    # One resampling for crop, rotation and mirror together; what lies outside repeats the picture, mirrored.
    padded = np.pad(picture, ((size // 2, size // 2), (size // 2, size // 2), (0, 0)), mode="reflect")
    a, b, c, d, e, f = coefficients
    half = size // 2
    image = Image.fromarray(padded).transform(
        (size, size), Image.Transform.AFFINE, (a, b, c + half, d, e, f + half), Image.Resampling.BILINEAR
    )
    gain, shift = 1 + rng.uniform(-rule.light, rule.light), 255 * rng.uniform(-rule.light, rule.light) / 2
    if rule.light == 0:
        return np.asarray(image, np.uint8)
    x = (np.asarray(image, np.float32) - 127.5) * np.float32(gain) + np.float32(127.5 + shift)
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def _affine(
    size: int, left: float, top: float, side: float, angle: float, mirror: bool
) -> tuple[float, float, float, float, float, float]:
    """Coefficients from output to input pixels: scale to the crop, rotate about its middle, mirror."""
    scale = side / size
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    sign = -1.0 if mirror else 1.0
    middle_x, middle_y, half = left + side / 2, top + side / 2, size / 2
    a, b, d, e = sign * cos, -sin, sign * sin, cos
    return a, b, middle_x - a * half - b * half, d, e, middle_y - d * half - e * half
