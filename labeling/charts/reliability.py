"""A reliability diagram: how often a classifier is right, against how sure it says it is.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, figure 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labeling.charts import svg
from labeling.charts.chart import Chart, empty
from labeling.charts.scale import sayer, scale


@dataclass(frozen=True)
class Bin:
    """Predictions with a confidence in [low, high): their mean confidence, the share that was right, how many."""

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


def reliability(
    bins: Sequence[Bin],
    *,
    title: str,
    description: str = "",
    x_label: str = "Confidence",
    y_label: str = "Accuracy",
    count_label: str = "Images",
) -> Chart:
    """Bars of accuracy, with the gap to the diagonal of perfect calibration marked on each."""
    filled = [b for b in bins if b.count]
    if not filled:
        return empty(title, "reliability")
    share = scale([0, 1], unit="percent", low=0.0, high=1.0, count=4)
    whole, fine = sayer("percent", 0.01), sayer("percent", 0.001)
    total = sum(b.count for b in filled)
    parts = [svg.axes(share, share, x_label=x_label, y_label=y_label)]
    for b in filled:
        hint = f"{whole(b.low)}–{whole(b.high)}: {fine(b.accuracy)} ({b.count})"
        place = {"x": svg.percent(b.low + 0.006), "width": svg.percent(max(b.high - b.low - 0.012, 0.004))}
        low, high = sorted((b.accuracy, b.confidence))
        parts.append(
            svg.element(
                "rect",
                svg.tooltip(hint),
                y=svg.percent(1 - b.accuracy),
                height=svg.percent(b.accuracy),
                class_="chart-fill-1",
                fill_opacity=round(0.35 + 0.65 * (b.count / total) ** 0.5, 3),
                **place,
            )
        )
        parts.append(
            svg.element("rect", y=svg.percent(1 - high), height=svg.percent(high - low), class_="chart-gap", **place)
        )
    parts.append(svg.stretched(svg.polyline([(0, 0), (1, 1)], "chart-stroke chart-diagonal-line")))
    return Chart(
        title=title,
        body=svg.picture("".join(parts), kind="square", name=title, description=description),
        columns=["", x_label, y_label, count_label],
        rows=[[f"{whole(b.low)}–{whole(b.high)}", fine(b.confidence), fine(b.accuracy), str(b.count)] for b in filled],
        description=description,
        kind="square",
    )
