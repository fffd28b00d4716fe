"""Plots as SVG, drawn on the server: no JavaScript, any width, light and dark, and a table that says the same.

Pure: numbers in, a ``Chart`` out; a template shows it with ``{% load charts %}{% chart plot %}``, which adds the
heading, the legend and the table. To add a plot: a file beside these, and a line here.

Source: the marks and the order of encodings follow Cleveland and McGill, "Graphical Perception", JASA 79 (1984).
"""

from __future__ import annotations

from labeling.charts.bars import bars, columns, stacked_bars
from labeling.charts.chart import Chart, Legend
from labeling.charts.line import Series, line
from labeling.charts.matrix import matrix
from labeling.charts.overlay import BoxGroup, overlay
from labeling.charts.reliability import Bin, reliability
from labeling.charts.scatter import Point, scatter

__all__ = [
    "Bin",
    "BoxGroup",
    "Chart",
    "Legend",
    "Point",
    "Series",
    "bars",
    "columns",
    "line",
    "matrix",
    "overlay",
    "reliability",
    "scatter",
    "stacked_bars",
]
