"""Boxes over a picture: one group a person or a source, each in its own colour and dash.

Boxes are ``[x, y, width, height]`` in natural pixels, and so is the drawing's own space: the picture below may have
any size on the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labeling.charts import svg
from labeling.charts.chart import slot


@dataclass(frozen=True)
class BoxGroup:
    """``boxes`` as a boxes question stores them: ``{"category", "box"}``. ``strong`` is drawn thicker."""

    name: str
    boxes: Sequence[dict[str, Any]]
    strong: bool = False


def overlay(width: int, height: int, groups: Sequence[BoxGroup], *, name: str) -> str:
    """Safe HTML of an ``<svg>`` to lie over the picture."""
    drawn = []
    for index, group in enumerate(groups):
        for item in group.boxes:
            x, y, w, h = item["box"]
            drawn.append(
                svg.element(
                    "rect",
                    svg.tooltip(f"{group.name}: {item.get('category', '')}"),
                    x=float(x),
                    y=float(y),
                    width=float(w),
                    height=float(h),
                    class_=f"overlay-box chart-stroke-{slot(index)}" + (" overlay-strong" if group.strong else ""),
                    vector_effect="non-scaling-stroke",
                )
            )
    return svg.element(
        "svg",
        "".join(drawn),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=name,
        class_="overlay",
        preserveAspectRatio="none",
    )
