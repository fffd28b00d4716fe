"""Points with names, and the Pareto front through those that no other point beats at both."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labeling.charts import svg
from labeling.charts.chart import Chart, empty, slot
from labeling.charts.scale import Format, sayer, scale

Better = Literal["less", "more"]
# Names are placed twice, for the narrowest plots that the style sheet shows them in: on a phone, and elsewhere.
WIDTHS = {"chart-narrow": 215, "chart-wide": 290}  # pixels
WIDEST = 1300
LETTER, GAP, DOT = 6.0, 9.0, 4.5  # pixels: of a name's letter, between dot and name, of half a dot
LINE = 0.052  # of the plot's height
ENDS = 0.7  # from here on a name stands before its dot
# So many lines away, or so far out of the plot, nobody sees whose name it is: it is left to the table of the numbers.
AWAY, OUT = 2, 0.1


@dataclass(frozen=True)
class Point:
    """``marked`` points (a champion, a winner) are drawn larger and in the second colour."""

    x: float
    y: float
    label: str
    marked: bool = False


def scatter(
    points: Sequence[Point],
    *,
    title: str,
    description: str = "",
    x_label: str = "",
    y_label: str = "",
    x_format: Format = "number",
    y_format: Format = "number",
    log_x: bool = False,
    front: tuple[Better, Better] | None = None,
    y_low: float | None = None,
) -> Chart:
    """Draw points; ``front=("less", "more")`` joins those that are best when x should be small and y large."""
    if not points:
        return empty(title, "scatter")
    x = scale([p.x for p in points], unit=x_format, log=log_x and min(p.x for p in points) > 0)
    y = scale([p.y for p in points], unit=y_format, low=y_low, count=4)
    parts = [svg.axes(x, y, x_label=x_label, y_label=y_label)]
    best = pareto(points, front) if front else []
    if len(best) > 1:
        parts.append(svg.stretched(svg.polyline([(x(p.x), y(p.y)) for p in best], "chart-stroke chart-front")))
    say_x, say_y = sayer(x_format), sayer(y_format)
    parts += [
        svg.dot(
            x(p.x), y(p.y), f"chart-dot chart-fill-{slot(1) if p.marked else slot(0)}",
            f"{p.label}: {say_x(p.x)}, {say_y(p.y)}", radius=6.5 if p.marked else 4.5,
        )
        for p in points
    ]  # fmt: skip
    first = sorted(points, key=lambda p: (not p.marked, p not in best))  # they have the choice
    spots = [(x(p.x), y(p.y), len(p.label)) for p in first]
    for shown, width in WIDTHS.items():
        for point, spot, place in zip(first, spots, _places(spots, width), strict=True):
            if place is not None:
                parts.append(_name(point.label, spot, place, shown))
    return Chart(
        title=title,
        body=svg.picture("".join(parts), kind="scatter", name=title, description=description),
        columns=["", x_label, y_label],
        rows=[[p.label, say_x(p.x), say_y(p.y)] for p in points],
        description=description,
        kind="scatter",
    )


def _places(spots: Sequence[tuple[float, float, int]], width: int) -> list[tuple[int, bool] | None]:
    """Where each name stands, so that none is written over another or over a dot: how many lines lower than its dot
    (higher where negative), and whether before it. None where there is no room near by.

    Args:
        spots: (left, bottom) of each dot as shares of the plot, and the letters of its name.
        width: Of the plot in pixels, at least.
    """
    taken: list[tuple[float, float, float]] = []  # left and right end of a name, its height
    places: list[tuple[int, bool] | None] = []
    for own, (left, bottom, letters) in enumerate(spots):
        dots = [(a - DOT / width, a + DOT / width, b) for n, (a, b, _) in enumerate(spots) if n != own]
        length = (GAP + letters * LETTER) / width
        first = left > ENDS or (left > 0.4 and left + length > 1)
        place = None
        for line, before in itertools.product(sorted(range(-AWAY, AWAY + 1), key=abs), (first, not first)):
            start, end = (left - length, left - GAP / WIDEST) if before else (left + GAP / WIDEST, left + length)
            height = bottom - line * LINE
            is_in = 0 <= height <= 1 and start >= -OUT and end <= 1 + OUT
            if is_in and not any(a < end and start < b and abs(height - c) < 0.99 * LINE for a, b, c in taken + dots):
                place = line, before
                taken.append((start, end, height))
                break
        places.append(place)
    return places


def _name(label: str, spot: tuple[float, float, int], place: tuple[int, bool], shown: str) -> str:
    """The name of a dot, so many lines lower, before it or after it."""
    (left, bottom, _letters), (line, before) = spot, place
    return svg.text(
        label,
        x=svg.percent(left),
        y=svg.percent(1 - bottom),
        dx=f"{-GAP if before else GAP:g}",
        dy=f"{0.32 + 1.2 * line:.2f}em",
        text_anchor="end" if before else "start",
        class_=f"chart-name {shown}",
    )


def pareto(points: Sequence[Point], better: tuple[Better, Better]) -> list[Point]:
    """The points that no other is at least as good as in both and better in one, by growing x."""
    sign_x, sign_y = (1 if side == "more" else -1 for side in better)

    def beats(a: Point, b: Point) -> bool:
        dx, dy = sign_x * (a.x - b.x), sign_y * (a.y - b.y)
        return dx >= 0 and dy >= 0 and (dx > 0 or dy > 0)

    return sorted((p for p in points if not any(beats(q, p) for q in points)), key=lambda p: (p.x, p.y))
