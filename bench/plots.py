"""Plots of a bench as one SVG file that stands alone: the platform's own charts side by side, with their legend."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labeling.charts import Chart
from labeling.charts.chart import COLOURS

WIDTH, HEIGHT = 400, 220  # pixels of one plot, without the room around it
LEFT, TOP, RIGHT, BOTTOM = 56, 48, 24, 56
LEGEND = 18  # pixels a line
COLOUR = ("#2563eb", "#ea580c", "#16a34a", "#9333ea", "#dc2626", "#0891b2", "#a16207", "#4b5563")
STYLE = (
    "svg { overflow: visible } text { font: 11px sans-serif; fill: #374151 }"
    " .title { font-size: 13px; font-weight: bold }"
    " .chart-grid { stroke: #e5e7eb } .chart-axis { stroke: #6b7280 } .chart-reference { stroke: #6b7280 }"
    " .chart-stroke { fill: none; stroke-width: 2; stroke-linejoin: round }"
)


def page(rows: Sequence[Sequence[Chart]]) -> str:
    """The charts as rows and columns of one picture; the first one's legend stands below for all.

    Returns:
        An SVG document. Its drawings need no style sheet and no script.
    """
    wide = max(len(row) for row in rows) * (LEFT + WIDTH + RIGHT)
    legend = rows[0][0].legend
    high = len(rows) * (TOP + HEIGHT + BOTTOM) + LEGEND * len(legend)
    colours = "".join(
        f" .chart-stroke-{i + 1} {{ stroke: {COLOUR[i]} }} .chart-fill-{i + 1} {{ fill: {COLOUR[i]} }}"
        for i in range(COLOURS)
    )
    parts = [f"<style>{STYLE}{colours}</style>", f'<rect width="{wide}" height="{high}" fill="#fff"/>']
    for down, row in enumerate(rows):
        for across, chart in enumerate(row):
            x, y = across * (LEFT + WIDTH + RIGHT) + LEFT, down * (TOP + HEIGHT + BOTTOM) + TOP
            parts.append(f'<text class="title" x="{x - 36}" y="{y - 28}">{escape(chart.title)}</text>')
            parts.append(f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}">{chart.body}</svg>')
    for index, entry in enumerate(legend):
        y = high - LEGEND * (len(legend) - index)
        parts.append(f'<rect class="chart-fill-{entry.slot}" x="{LEFT}" y="{y}" width="10" height="10"/>')
        parts.append(f'<text x="{LEFT + 16}" y="{y + 9}">{escape(entry.name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
        f"{''.join(parts)}</svg>\n"
    )
