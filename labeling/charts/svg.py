"""SVG elements as text, escaped; and the frame that every plot with two axes shares.

A plot is an ``<svg>`` as wide as its place. Positions are percentages, so text and dots keep their size at 360 px and
at 1440 px; only lines and areas lie in an inner ``<svg>`` that stretches, with strokes that do not.
Source: https://www.w3.org/TR/SVG2/coords.html#PreserveAspectRatioAttribute
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from labeling.charts.scale import Scale

KEPT = {"viewBox", "preserveAspectRatio"}
Attribute = str | float | int | None


def element(name: str, content: str = "", **attributes: Attribute) -> str:
    """``element("line", x1="0%", class_="axis")``: a trailing underscore is dropped, an inner one becomes a dash."""
    parts = [
        f' {key.rstrip("_").replace("_", "-") if key not in KEPT else key}="{escape(number(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    return f"<{name}{''.join(parts)}>{content}</{name}>"


def number(value: Attribute) -> str:
    """Short text for a coordinate: at most three decimals, no trailing zeros."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") or "0"
    return str(value)


def percent(share: float) -> str:
    return f"{number(float(share) * 100)}%"


def text(content: str, **attributes: Attribute) -> str:
    return element("text", escape(content), **attributes)


def tooltip(content: str) -> str:
    return element("title", escape(content))


def stretched(content: str) -> str:
    """A layer whose content lives in [0, 100] x [0, 100] and stretches with the plot."""
    return (
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%" class="chart-stretch">'
        f"{content}</svg>"
    )


def polyline(points: Iterable[tuple[float, float]], class_: str) -> str:
    """A line through points given as shares of the plot; y grows upwards."""
    path = " ".join(f"{number(100.0 * x)},{number(100.0 * (1 - y))}" for x, y in points)
    return element("polyline", points=path, class_=class_, vector_effect="non-scaling-stroke")


def polygon(points: Iterable[tuple[float, float]], class_: str) -> str:
    path = " ".join(f"{number(100.0 * x)},{number(100.0 * (1 - y))}" for x, y in points)
    return element("polygon", points=path, class_=class_)


def dot(x: float, y: float, class_: str, hint: str, radius: float = 3.5) -> str:
    return element("circle", tooltip(hint), cx=percent(x), cy=percent(1 - y), r=radius, class_=class_)


def axes(x: Scale, y: Scale, *, x_label: str = "", y_label: str = "") -> str:
    """Grid lines, tick labels and the names of both axes."""
    parts = []
    for value in y.ticks:
        at = percent(1 - y(value))
        parts.append(element("line", x1="0%", x2="100%", y1=at, y2=at, class_="chart-grid"))
        parts.append(text(y.say(value), x="-8", y=at, dy="0.32em", text_anchor="end", class_="chart-tick"))
    parts.append(element("line", x1="0%", x2="100%", y1="100%", y2="100%", class_="chart-axis"))
    parts.extend(x_ticks([(x(value), x.say(value)) for value in x.ticks]))
    if x_label:
        parts.append(text(x_label, x="100%", y="100%", dy="36", text_anchor="end", class_="chart-label"))
    if y_label:
        parts.append(text(y_label, x="-36", y="0%", dy="-12", text_anchor="start", class_="chart-label"))
    return "".join(parts)


def x_ticks(ticks: Sequence[tuple[float, str]]) -> list[str]:
    """Labels below the plot; every second one gives way on a narrow screen (class ``chart-tick-odd``)."""
    parts = []
    for index, (share, label) in enumerate(ticks):
        anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
        odd = " chart-tick-odd" if index % 2 and len(ticks) > 3 else ""
        parts.append(
            text(label, x=percent(share), y="100%", dy="18", text_anchor=anchor, class_=f"chart-tick chart-x{odd}")
        )
    return parts


def picture(content: str, *, kind: str, name: str, description: str = "") -> str:
    """The outer ``<svg>``, named and described for a screen reader; CSS gives its height by ``kind``."""
    described = element("desc", escape(description)) if description else ""
    return element(
        "svg",
        f"{described}{content}",
        role="img",
        aria_label=name + (f". {description}" if description else ""),
        class_=f"chart-svg chart-{kind}",
        width="100%",
    )
