"""A line the size of a word: the shape of a few numbers beside the last of them.

Source: E. Tufte, "Beautiful Evidence" (2006), chapter 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from labeling.charts import svg


def sparkline(values: Sequence[float], *, name: str, low: float | None = None, high: float | None = None) -> str:
    """Safe HTML of an inline SVG; an empty string for fewer than two values."""
    if len(values) < 2:
        return ""
    least = min(values) if low is None else low
    span = ((max(values) if high is None else high) - least) or 1.0
    points = [(i / (len(values) - 1), (value - least) / span) for i, value in enumerate(values)]
    return svg.element(
        "svg",
        svg.stretched(svg.polyline(points, "chart-stroke chart-stroke-1"))
        + svg.element("circle", cx="100%", cy=svg.percent(1 - points[-1][1]), r="2.5", class_="chart-fill-1"),
        role="img",
        aria_label=name,
        class_="chart-spark",
    )
