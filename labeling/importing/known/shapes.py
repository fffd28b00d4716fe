"""What tools draw beside boxes: what is made of it, and what is said where that is no box. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labeling.text.words import gettext as _


def box_around(corners: Iterable[tuple[float, float]]) -> list[float]:
    """The box around them: its left upper corner and its size."""
    across, down = zip(*corners, strict=True)
    return [min(across), min(down), max(across) - min(across), max(down) - min(down)]


def has_no_box(shape: str, label: Any) -> str:
    """What is said of an image with such a shape: one of which one box is missing would be wrong altogether."""
    told = _("Its %(shape)s of %(label)s is no box, nor is there one around it; its boxes are not taken.")
    return told % {"shape": shape, "label": repr(label)}
