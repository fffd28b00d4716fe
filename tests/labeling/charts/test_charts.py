"""Plots: where marks lie, what is escaped, and that the numbers can be read without seeing the picture."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.template import engines
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from labeling import charts
from labeling.charts.scale import nice_step, say_number, say_seconds, scale, time_sayer
from labeling.charts.scatter import pareto

BAD = "<script>alert('&')</script>"
EVERY = {
    "line": lambda name: charts.line([charts.Series(name, [(0, 1.0), (1, 2.0)])], title=name),
    "bars": lambda name: charts.bars([(name, 3.0)], title=name),
    "stacked_bars": lambda name: charts.stacked_bars([(name, [1.0, 2.0])], [name, "b"], title=name),
    "columns": lambda name: charts.columns([name], [(name, [1.0])], title=name),
    "scatter": lambda name: charts.scatter([charts.Point(1, 2, name)], title=name),
    "matrix": lambda name: charts.matrix([name, "b"], [[1, 0], [0, 1]], title=name),
    "heat": lambda name: charts.matrix([name, *map(str, range(30))], [[1.0] * 31] * 31, title=name),
    "reliability": lambda name: charts.reliability([charts.Bin(0, 0.5, 0.3, 0.4, 5)], title=name),
}


def render(plot: charts.Chart) -> str:
    return engines["django"].from_string("{% load charts %}{% chart plot %}").render({"plot": plot})


@pytest.mark.parametrize("kind", EVERY)
def test_every_plot_is_well_formed_and_escapes_its_names(kind: str) -> None:
    html = render(EVERY[kind](BAD))
    ElementTree.fromstring(html)
    assert "<script>" not in html
    assert "alert(" in html


@pytest.mark.parametrize("kind", EVERY)
def test_every_plot_offers_its_numbers_as_a_table(kind: str) -> None:
    assert "<table" in render(EVERY[kind]("name"))


@pytest.mark.parametrize("kind", ["line", "columns", "scatter", "heat", "reliability"])
def test_every_picture_has_a_name_for_a_screen_reader(kind: str) -> None:
    assert 'role="img" aria-label="name"' in render(EVERY[kind]("name"))


@pytest.mark.parametrize(
    "plot",
    [
        charts.line([], title="t"),
        charts.bars([], title="t"),
        charts.columns(["a"], [("s", [0.0])], title="t"),
        charts.scatter([], title="t"),
        charts.matrix([], [], title="t"),
        charts.reliability([charts.Bin(0, 1, 0, 0, 0)], title="t"),
    ],
)
def test_a_plot_without_numbers_says_so(plot: charts.Chart) -> None:
    html = render(plot)
    assert "Nothing to draw yet" in html
    assert "<svg" not in html


def test_a_line_runs_from_corner_to_corner_of_its_data() -> None:
    plot = charts.line([charts.Series("a", [(0, 0.0), (5, 50.0), (10, 100.0)])], title="t", y_low=0, y_high=100)
    assert 'points="0,100 50,50 100,0"' in plot.body


def test_months_have_the_names_that_are_given() -> None:
    months = [f"m{number}" for number in range(1, 13)]
    start = datetime(2026, 3, 1, tzinfo=UTC)
    points = [(start + timedelta(days=10 * i), float(i)) for i in range(7)]
    plot = charts.line([charts.Series("a", points)], title="t", months=months)
    assert "30 m4" in plot.body
    assert "Apr" not in plot.body
    assert time_sayer(400 * 86400, months)(0) == "m1 1970"


def test_sums_of_days_are_labelled_with_dates_also_where_there_is_one_day() -> None:
    day = datetime(2026, 11, 28, tzinfo=UTC)
    for days in (1, 2):
        points = [(day + timedelta(days=n), 0.5) for n in range(days)]
        plot = charts.line([charts.Series("a", points)], title="t")
        assert "28 Nov" in plot.body
        assert ":" not in "".join(re.findall(r">([^<]*)</text>", plot.body))


def test_a_line_over_time_is_labelled_with_clock_times_and_tabled_by_them() -> None:
    start = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    points = [(start + timedelta(minutes=10 * i), float(i)) for i in range(7)]
    plot = charts.line([charts.Series("a", points)], title="t")
    assert [row[0] for row in plot.rows][:2] == ["9:00", "9:10"]
    assert ">9:30</text>" in plot.body


def test_two_series_with_different_x_share_one_table() -> None:
    plot = charts.line([charts.Series("a", [(1, 1.0)]), charts.Series("b", [(2, 2.0)])], title="t")
    assert [list(row) for row in plot.rows] == [["1", "1", "–"], ["2", "–", "2"]]
    assert [entry.slot for entry in plot.legend] == [1, 2]


def test_bars_are_drawn_against_the_longest_unless_told_another_length() -> None:
    assert re.findall(r'width="([\d.]+%)" height="100%"', charts.bars([("a", 4.0), ("b", 1.0)], title="t").body) == [
        "100%",
        "25%",
    ]
    assert 'width="50%"' in charts.bars([("a", 0.5)], title="t", most=1.0).body
    long = charts.bars([('a "b"', 1.0)], title="t").body  # is cut off where there is no room
    assert '<th scope="row" title="a &quot;b&quot;">' in long


def test_stacked_parts_begin_where_the_one_before_ends() -> None:
    body = charts.stacked_bars([("a", [1.0, 3.0])], ["x", "y"], title="t").body
    assert re.findall(r'x="([\d.]+%)" width="([\d.]+%)"', body) == [("0%", "25%"), ("25%", "75%")]


def test_a_matrix_tints_by_the_share_of_the_row_and_marks_full_cells() -> None:
    body = charts.matrix(["a", "b"], [[3, 1], [0, 4]], title="t").body
    assert re.findall(r"--v:([\d.]+)", body) == ["0.750", "0.250", "0.000", "1.000"]
    assert body.count("chart-full") == 2


def test_the_names_above_many_narrow_columns_stand_upright() -> None:
    few, many = (charts.matrix(list("abcdefghij"[:n]), [[1] * n] * n, title="t").body for n in (6, 10))
    assert ("chart-many" in few, "chart-many" in many) == (False, True)


def test_a_row_of_a_matrix_is_not_summed_for_each_of_its_cells() -> None:
    class Row(list[int]):
        read = 0

        def __iter__(self) -> Iterator[int]:
            Row.read += 1
            return super().__iter__()

    charts.matrix(list(map(str, range(40))), [Row([1] * 40) for _ in range(40)], title="t")
    assert Row.read < 40 * 10


def test_cells_of_a_matrix_lead_to_what_is_behind_them_where_anything_is() -> None:
    small = charts.matrix(["a", "b"], [[3, 1], [0, 4]], title="t", link=lambda row, column: f"/?{row}&{column}")
    assert small.body.count("<a ") == 3
    assert '<a href="/?0&amp;1">1</a>' in small.body
    cells = [[9.0 if i == j else float((i, j) == (2, 5)) for j in range(31)] for i in range(31)]
    large = charts.matrix(list(map(str, range(31))), cells, title="t", link=lambda row, column: f"/?{row}&{column}")
    assert '<td><a href="/?2&amp;5">1</a></td>' in render(large)


def test_a_large_matrix_lists_its_worst_confusions_first() -> None:
    cells = [[0.0] * 20 for _ in range(20)]
    for i in range(20):
        cells[i][i] = 9.0
    cells[3][7], cells[5][1] = 2.0, 9.0
    cells[8][8], cells[8][2] = 0.0, 1.0  # all of its category, which is one
    plot = charts.matrix([f"c{i}" for i in range(20)], cells, title="t")
    assert [list(row[:2]) for row in plot.rows] == [["c5", "c1"], ["c3", "c7"], ["c8", "c2"]]
    page = render_to_string("charts/chart.html", {"plot": plot, "body": "PICTURE"})
    assert page.index("c5") < page.index("PICTURE"), "they stand above the picture, and nobody has to open them"
    assert "<details" not in page
    assert "Truth ↓ Answer →" in plot.body, "what goes down and what goes across"


def test_the_pareto_front_leaves_out_what_another_point_beats() -> None:
    points = [charts.Point(1, 5, "cheap"), charts.Point(2, 6, "beaten"), charts.Point(3, 2, "good")]
    assert [p.label for p in pareto(points, ("less", "less"))] == ["cheap", "good"]
    assert [p.label for p in pareto(points, ("less", "more"))] == ["cheap", "beaten"]


def test_names_of_points_that_lie_together_stand_below_each_other() -> None:
    points = [
        charts.Point(1, 0, "one network"),
        charts.Point(1.01, 0, "the same, tuned"),
        charts.Point(9, 0, "another"),
    ]
    drawn = render(charts.scatter([*points, charts.Point(5, 1, "far away")], title="t"))
    moved = re.findall(r'dy="([-.\d]+)em" text-anchor="(?:start|end)" class="chart-name chart-wide"', drawn)
    assert moved == ["-0.88", "-2.08", "0.32", "0.32"]


def test_a_name_is_not_written_over_another_point() -> None:
    places = [(1, 2, "first worker"), (2, 2, "b"), (9, 0, "c"), (1, 9, "d")]
    points = [charts.Point(x, y, name) for x, y, name in places]
    drawn = render(charts.scatter(points, title="t"))
    moved = re.findall(r'dy="([-.\d]+)em" text-anchor="(?:start|end)" class="chart-name chart-wide"', drawn)
    assert moved[0] == "-0.88"


def test_a_long_name_stands_where_it_has_room() -> None:
    points = [
        charts.Point(1, 1, "a"),
        charts.Point(2, 5, "a long network, augmented"),
        charts.Point(3, 9, "b"),
    ]
    drawn = render(charts.scatter(points, title="t"))
    assert re.findall(r'text-anchor="(start|end)" class="chart-name chart-wide"', drawn) == ["start", "end", "end"]


NAMES = ["small", "small, augmented", "small, tuned", "small, tuned, augmented", "large", "large, tuned", "winner"]


@pytest.mark.parametrize(("shown", "width", "named"), [("chart-narrow", 215, 4), ("chart-wide", 290, 5)])
def test_no_name_is_written_over_another_on_a_phone_nor_far_from_its_dot(shown: str, width: int, named: int) -> None:
    places = [(2, 9), (2.1, 8), (2.2, 7.8), (2.1, 7), (8, 6), (8.1, 5), (8.2, 4.9)]
    points = [charts.Point(x, y, name, name == "winner") for (x, y), name in zip(places, NAMES, strict=True)]
    drawn = render(charts.scatter(points, title="t", front=("less", "less"), y_low=0))
    found = re.findall(
        rf'x="([\d.]+)%" y="([\d.]+)%" dx="(-?9)" dy="([-.\d]+)em"[^>]+chart-name {shown}">([^<]+)<', drawn
    )
    assert len(found) >= named
    assert found[0][-1] == "winner"
    spans = []
    for x, y, dx, dy, name in found:
        assert abs(float(dy)) < 3
        left = float(x) / 100 * width + float(dx)
        left -= 6 * len(name) if dx == "-9" else 0
        spans.append((left, left + 6 * len(name), float(y) / 100 * 256 + 11 * (float(dy) - 0.32)))
    for (a, b, top), (c, d, other) in itertools.combinations(spans, 2):
        assert a >= d or c >= b or abs(top - other) > 11


def test_no_tick_stands_between_two_counts() -> None:
    drawn = render(charts.columns(["a"], [("s", [2.0])], title="t"))
    assert "0.5" not in re.findall(r'class="chart-tick">([^<]+)<', drawn)
    assert 'width="12%"' in drawn  # and the one bar is no wall
    drawn = render(charts.columns(["a"], [("s", [0.9])], title="t"))
    assert "0.5" in re.findall(r'class="chart-tick">([^<]+)<', drawn)


@pytest.mark.parametrize(("least", "most"), [(1.42, 1.48), (0.0021, 0.0024), (300.0, 310.0), (6.0, 6.0), (1.0, 900.0)])
def test_an_axis_by_logarithm_has_ticks_that_differ_however_little_it_spans(least: float, most: float) -> None:
    drawn = scale([least, most], log=True)
    said = [drawn.say(tick) for tick in drawn.ticks]
    assert len(set(said)) == len(said) >= 2
    assert all(0 <= drawn(tick) <= 1 for tick in drawn.ticks)


@pytest.mark.parametrize(("span", "step"), [(1.0, 0.2), (7.0, 2), (100.0, 20), (0.03, 0.01)])
def test_steps_are_round(span: float, step: float) -> None:
    assert nice_step(span, 5) == pytest.approx(step)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_every_value_lies_within_its_scale(values: list[float]) -> None:
    axis = scale(values)
    assert all(-1e-6 <= axis(value) <= 1 + 1e-6 for value in values)
    assert all(-1e-6 <= axis(tick) <= 1 + 1e-6 for tick in axis.ticks)


@given(st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=20))
def test_a_logarithmic_scale_holds_its_values_and_has_ticks_in_it(values: list[float]) -> None:
    axis = scale(values, log=True)
    assert all(0 <= axis(value) <= 1 for value in values)
    assert all(0 <= axis(tick) <= 1 for tick in axis.ticks)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (say_number(1234567), "1.23M"),
        (say_number(2000), "2k"),
        (say_number(1234), "1234"),
        (say_number(12342, 1), "12342"),
        (say_number(1_002_000, 2000), "1002k"),
        (say_number(1_500_000, 50_000), "1.5M"),
        (say_number(0.05, 0.01), "0.05"),
        (say_seconds(75), "1.2 min"),
        (say_seconds(7200), "2 h"),
        (say_seconds(0.012), "12 ms"),
        (time_sayer(10 * 86400)(0), "1 Jan"),
        (time_sayer(1800)(300), "0:05"),
    ],
)
def test_numbers_are_written_for_people(said: str, expected: str) -> None:
    assert said == expected


def test_a_single_moment_stands_in_the_middle_of_half_an_hour() -> None:
    plot = charts.line([charts.Series("a", [(datetime(2026, 3, 1, 9, 0, tzinfo=UTC), 1.0)])], title="t")
    assert ">9:00</text>" in plot.body
    assert 'cx="50%"' in plot.body


def test_a_given_end_holds_also_where_all_values_are_one() -> None:
    assert scale([1.0, 1.0], unit="percent", high=1.0).high == 1.0
    assert scale([1.0], high=1.0).low < 1.0
    assert scale([0.0], low=0.0).low == 0.0
    both = scale([0.5], low=0.5, high=0.5)
    assert both.low < both.high
