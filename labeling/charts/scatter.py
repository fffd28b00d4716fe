"""Points with names, and the Pareto front through those that no other point beats at both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labeling.charts import svg
from labeling.charts.chart import Chart, empty, slot
from labeling.charts.scale import Format, sayer, scale

Better = Literal["less", "more"]
# What a name takes of a plot as it is in two columns: the share of a letter's width, and of a line's height.
LETTER, LINE = 0.025, 0.052
DOT = 0.01  # half of a dot's width; a name keeps as much from the dot that is its own
ENDS = 0.7  # from here on a name stands before its dot


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
    lines = _lines([(x(p.x), y(p.y), len(p.label)) for p in points])
    for point, line in zip(points, lines, strict=True):
        words = f"{point.label}: {say_x(point.x)}, {say_y(point.y)}"
        parts += _named_dot(point, x(point.x), y(point.y), line, words)
    return Chart(
        title=title,
        body=svg.picture("".join(parts), kind="scatter", name=title, description=description),
        columns=["", x_label, y_label],
        rows=[[p.label, say_x(p.x), say_y(p.y)] for p in points],
        description=description,
        kind="scatter",
    )


def _lines(places: Sequence[tuple[float, float, int]]) -> list[int]:
    """How many lines each name moves down (up where negative), so that none is written over another or over a dot.

    Args:
        places: (left, bottom) of each dot as shares of the plot, and the letters of its name.
    """
    taken: list[tuple[float, float, float]] = []  # left and right end of a name, its height
    lines = []
    for own, (left, bottom, letters) in enumerate(places):
        dots = [(a - DOT, a + DOT, b) for n, (a, b, _) in enumerate(places) if n != own]
        start = left - 2 * DOT - letters * LETTER if _stands_before(left, letters) else left + 2 * DOT
        end = start + letters * LETTER
        for line in sorted(range(-len(places), len(places) + 1), key=lambda n: (abs(n), n)):
            height = bottom - line * LINE
            if 0 <= height <= 1 and not any(
                a < end and start < b and abs(height - c) < 0.99 * LINE for a, b, c in taken + dots
            ):
                break
        else:
            line, height = 0, bottom
        taken.append((start, end, height))
        lines.append(line)
    return lines


def _stands_before(left: float, letters: int) -> bool:
    """Whether a name has more room before its dot than after it: at the right end, and where it is too long."""
    return left > ENDS or (left > 0.4 and left + 2 * DOT + letters * LETTER > 1)


def _named_dot(point: Point, left: float, bottom: float, line: int, words: str) -> list[str]:
    """The dot and its name, which stands on the side where there is room, so many lines lower."""
    colour, ends = slot(1) if point.marked else slot(0), _stands_before(left, len(point.label))
    dot = svg.dot(left, bottom, f"chart-dot chart-fill-{colour}", words, radius=6.5 if point.marked else 4.5)
    name = svg.text(
        point.label,
        x=svg.percent(left),
        y=svg.percent(1 - bottom),
        dx="-9" if ends else "9",
        dy=f"{0.32 + 1.2 * line:.2f}em",
        text_anchor="end" if ends else "start",
        class_="chart-name",
    )
    return [dot, name]


def pareto(points: Sequence[Point], better: tuple[Better, Better]) -> list[Point]:
    """The points that no other is at least as good as in both and better in one, by growing x."""
    sign_x, sign_y = (1 if side == "more" else -1 for side in better)

    def beats(a: Point, b: Point) -> bool:
        dx, dy = sign_x * (a.x - b.x), sign_y * (a.y - b.y)
        return dx >= 0 and dy >= 0 and (dx > 0 or dy > 0)

    return sorted((p for p in points if not any(beats(q, p) for q in points)), key=lambda p: (p.x, p.y))
