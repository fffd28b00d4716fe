"""Lines over a number or over time, each with an optional band (an interval, a forecast)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from labeling.charts import svg
from labeling.charts.chart import Chart, empty, legend, slot
from labeling.charts.scale import MONTHS, Format, Scale, sayer, scale, seconds_of

X = datetime | float | int
DOTS_UP_TO = 24  # more points than this are a line without dots


@dataclass(frozen=True)
class Series:
    """Points ``(x, y)`` in the order of x; ``band`` holds ``(x, low, high)``; ``dashed`` draws a forecast."""

    name: str
    points: Sequence[tuple[X, float]]
    band: Sequence[tuple[X, float, float]] = ()
    dashed: bool = False


def line(
    series: Sequence[Series],
    *,
    title: str,
    description: str = "",
    x_label: str = "",
    y_label: str = "",
    x_format: Format | None = None,
    y_format: Format = "number",
    y_low: float | None = None,
    y_high: float | None = None,
    reference: tuple[float, str] | None = None,
    months: Sequence[str] = MONTHS,
) -> Chart:
    """Draw lines; x may be datetimes (then the axis is time). ``reference`` is a horizontal line with its name.

    Args:
        series: At least one with a point, or the chart is empty.
        y_low: Fixed lower end; None lets the data choose.
    """
    if not any(s.points for s in series):
        return empty(title, "line")
    x = _x_scale(series, x_format, months)
    y = _y_scale(series, y_format, y_low, y_high, reference)
    parts = [svg.axes(x, y, x_label=x_label, y_label=y_label)]
    parts.append(svg.stretched("".join(_shape(s, i, x, y) for i, s in enumerate(series) if s.points)))
    parts.extend(_dots(s, i, x, y, y_format) for i, s in enumerate(series))
    if reference:
        parts.append(_reference(reference, y))
    return Chart(
        title=title,
        body=svg.picture("".join(parts), kind="line", name=title, description=description),
        columns=[x_label or "x", *(s.name for s in series)],
        rows=_rows(series, x, sayer(y_format)),
        legend=legend([s.name for s in series]),
        description=description,
        kind="line",
    )


def _x_scale(series: Sequence[Series], unit: Format | None, months: Sequence[str]) -> Scale:
    """From the first to the last x exactly, where there are two."""
    found = [x for s in series for x in (*(x for x, _ in s.points), *(x for x, _, _ in s.band))]
    seconds = [seconds_of(x) for x in found]
    ends = (min(seconds), max(seconds)) if min(seconds) < max(seconds) else (None, None)
    unit = unit or ("time" if isinstance(found[0], datetime) else "number")
    whole = all(isinstance(x, int) for x in found)
    return scale(seconds, unit=unit, low=ends[0], high=ends[1], count=6, whole=whole, months=months)


def _y_scale(
    series: Sequence[Series], unit: Format, low: float | None, high: float | None, reference: tuple[float, str] | None
) -> Scale:
    found = [y for s in series for y in (*(y for _, y in s.points), *(y for _, *ends in s.band for y in ends))]
    return scale([*found, reference[0]] if reference else found, unit=unit, low=low, high=high, count=4)


def _shape(series: Series, index: int, x: Scale, y: Scale) -> str:
    points = [(x(seconds_of(a)), y(b)) for a, b in series.points]
    parts = []
    if series.band:
        upper = [(x(seconds_of(a)), y(high)) for a, _, high in series.band]
        lower = [(x(seconds_of(a)), y(low)) for a, low, _ in series.band]
        parts.append(svg.polygon([*upper, *reversed(lower)], f"chart-band chart-fill-{slot(index)}"))
    dashed = " chart-dashed" if series.dashed else f" chart-dash-{slot(index)}"
    parts.append(svg.polyline(points, f"chart-stroke chart-stroke-{slot(index)}{dashed}"))
    return "".join(parts)


def _dots(series: Series, index: int, x: Scale, y: Scale, y_format: Format) -> str:
    say = sayer(y_format)
    if len(series.points) > DOTS_UP_TO:
        return ""
    return "".join(
        svg.dot(
            x(seconds_of(a)),
            y(b),
            f"chart-dot chart-fill-{slot(index)}",
            f"{series.name}, {x.say(seconds_of(a))}: {say(b)}",
        )
        for a, b in series.points
    )


def _reference(reference: tuple[float, str], y: Scale) -> str:
    at = svg.percent(1 - y(reference[0]))
    return svg.element("line", x1="0%", x2="100%", y1=at, y2=at, class_="chart-reference") + svg.text(
        reference[1], x="100%", y=at, dy="-6", text_anchor="end", class_="chart-label"
    )


def _rows(series: Sequence[Series], x: Scale, say: Callable[[float], str]) -> list[list[str]]:
    """The table: one row for each x that any series has."""
    by_x = [{seconds_of(a): b for a, b in s.points} for s in series]
    keys = sorted({key for column in by_x for key in column})
    return [[x.say(key), *(say(column[key]) if key in column else "–" for column in by_x)] for key in keys]
