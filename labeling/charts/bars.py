"""Bars: lying ones are a table whose cells draw themselves (long names, any width); standing ones show an order."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labeling.charts import svg
from labeling.charts.chart import Chart, empty, legend, slot
from labeling.charts.scale import Format, Scale, sayer, scale


def bars(
    rows: Sequence[tuple[str, float]],
    *,
    title: str,
    description: str = "",
    unit: Format = "number",
    most: float | None = None,
) -> Chart:
    """Lying bars, one a row: ``[("cat", 120), ("dog", 80)]``. ``most`` fixes the full length (1 for shares)."""
    if not rows:
        return empty(title, "bars")
    full = most or max(max(value for _, value in rows), 1e-12)
    say = sayer(unit, 0.001 if unit == "percent" else 0.0)
    body = "".join(_row(name, [(value / full, slot(0), "")], say(value)) for name, value in rows)
    return _table(title, description, body)


def stacked_bars(rows: Sequence[tuple[str, Sequence[float]]], series: Sequence[str], *, title: str) -> Chart:
    """Lying bars of several parts: ``[("cat", [90, 10, 20])]``; the longest fills the width."""
    totals = [sum(values) for _, values in rows]
    if not rows or not any(totals):
        return empty(title, "bars")
    say, full = sayer("number"), max(totals)
    body = []
    for (name, values), total in zip(rows, totals, strict=True):
        parts = [
            (value / full, slot(i), f"{s}: {say(value)}")
            for i, (s, value) in enumerate(zip(series, values, strict=True))
        ]
        spoken = ", ".join(hint for _, _, hint in parts)
        body.append(_row(name, parts, say(total), spoken))
    return _table(title, "", "".join(body), of=series)


def _row(name: str, parts: Sequence[tuple[float, int, str]], value: str, spoken: str = "") -> str:
    start, drawn = 0.0, []
    for share, colour, hint in parts:
        rect = svg.element(
            "rect",
            svg.tooltip(hint) if hint else "",
            x=svg.percent(start),
            width=svg.percent(max(share, 0.0)),
            height="100%",
            class_=f"chart-fill-{colour}",
        )
        drawn.append(rect)
        start += max(share, 0.0)
    bar = svg.element("svg", "".join(drawn), class_="chart-bar", width="100%", height="12", aria_hidden="true")
    said = f'<span class="visually-hidden">{escape(spoken)}</span>' if spoken else ""
    head = f'<th scope="row" title="{escape(name)}">{escape(name)}</th>'
    return f'<tr>{head}<td>{bar}{said}</td><td class="chart-value">{escape(value)}</td></tr>'


def _table(title: str, description: str, body: str, *, of: Sequence[str] = ()) -> Chart:
    return Chart(
        title=title,
        body=f'<table class="chart-bars"><caption class="visually-hidden">{escape(title)}</caption>'
        f"<tbody>{body}</tbody></table>",
        legend=legend(of),
        description=description,
        kind="bars",
        body_is_table=True,
    )


def columns(
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    title: str,
    y_label: str = "",
    x_label: str = "",
    unit: Format = "number",
) -> Chart:
    """Standing bars in the order of the labels (days, bins of a histogram); several series are stacked."""
    totals = [sum(values[i] for _, values in series) for i in range(len(labels))]
    if not labels or not any(totals):
        return empty(title, "columns")
    whole = unit == "number" and all(float(total).is_integer() for total in totals)
    y = scale([0.0, *totals], unit=unit, low=0.0, count=4, whole=whole)
    step = 1 / len(labels)
    wide = min(0.76 * step, 0.12)  # one alone is a bar, too, not a wall
    every = max(1, -(-len(labels) // 8))
    ticks = [((i + 0.5) * step, label) for i, label in enumerate(labels) if i % every == 0]
    parts = [svg.axes(Scale(0, 1, (), str), y, x_label=x_label, y_label=y_label), *svg.x_ticks(ticks)]
    say = sayer(unit)
    for i, label in enumerate(labels):
        base = 0.0
        for k, (name, values) in enumerate(series):
            top = base + values[i]
            parts.append(
                svg.element(
                    "rect",
                    svg.tooltip(f"{label}, {name}: {say(values[i])}" if len(series) > 1 else f"{label}: {say(top)}"),
                    x=svg.percent((i + 0.5) * step - wide / 2),
                    width=svg.percent(wide),
                    y=svg.percent(1 - y(top)),
                    height=svg.percent(y(top) - y(base)),
                    class_=f"chart-fill-{slot(k)}",
                )
            )
            base = top
    return Chart(
        title=title,
        body=svg.picture("".join(parts), kind="columns", name=title),
        columns=[x_label or "", *(name for name, _ in series)],
        rows=[[label, *(say(values[i]) for _, values in series)] for i, label in enumerate(labels)],
        legend=legend([name for name, _ in series]),
        kind="columns",
    )
