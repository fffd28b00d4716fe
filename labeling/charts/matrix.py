"""A confusion matrix (rows the truth, columns the answer) or any heat map, as a table with tinted cells.

Up to ``READABLE`` names it is a table that can be read cell by cell; above, a picture of all cells and, as rows, the
largest confusions, which is what a person looks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labeling.charts import svg
from labeling.charts.chart import Chart, empty
from labeling.charts.scale import Format, sayer

READABLE = 16
WORST = 20
# Up to here the dark text of the light theme is readable on either tint.
FULL = 0.74


def matrix(
    names: Sequence[str],
    cells: Sequence[Sequence[float]],
    *,
    title: str,
    description: str = "",
    row_label: str = "Truth",
    column_label: str = "Answer",
    unit: Format = "number",
    by_row: bool = True,
    columns: Sequence[str] | None = None,
) -> Chart:
    """Draw cells [n, n]. ``by_row`` tints each cell by its share of its row, else by its share of the largest cell.

    Args:
        columns: Names of the columns where they differ from the rows'.
    """
    across = list(columns if columns is not None else names)
    if not names or not any(any(row) for row in cells):
        return empty(title, "matrix")
    shares = _shares(cells, by_row)
    if len(names) > READABLE or len(across) > READABLE:
        return _picture(names, across, cells, shares, title, description, (row_label, column_label), unit)
    say = sayer(unit)
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in across)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_cell(say(value), share, i == j) for j, (value, share) in enumerate(zip(row, tints, strict=True)))
        + "</tr>"
        for i, (name, row, tints) in enumerate(zip(names, cells, shares, strict=True))
    )
    corner = f"{escape(row_label)} ↓ {escape(column_label)} →"
    return Chart(
        title=title,
        body='<div class="chart-scroll" tabindex="0" role="group" aria-label="' + escape(title) + '">'
        f'<table class="chart-matrix"><caption class="visually-hidden">{escape(title)}</caption>'
        f'<thead><tr><th class="chart-corner">{corner}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>',
        description=description,
        kind="matrix",
        body_is_table=True,
    )


def _shares(cells: Sequence[Sequence[float]], by_row: bool) -> list[list[float]]:
    most = max(max(row, default=0.0) for row in cells) or 1.0
    return [[value / ((sum(row) or 1.0) if by_row else most) for value in row] for row in cells]


def _cell(value: str, share: float, diagonal: bool) -> str:
    """``--v`` is how full the tint is; text turns light on a full one, whose tint charts.css deepens to carry it."""
    classes = ["chart-diagonal"] if diagonal else []
    classes += ["chart-full"] if share > FULL else []
    named = f' class="{" ".join(classes)}"' if classes else ""
    return f'<td{named} style="--v:{share:.3f}">{escape(value)}</td>'


def _picture(
    names: Sequence[str],
    across: Sequence[str],
    cells: Sequence[Sequence[float]],
    shares: Sequence[Sequence[float]],
    title: str,
    description: str,
    labels: tuple[str, str],
    unit: Format,
) -> Chart:
    say = sayer(unit)
    width, height = 1 / len(across), 1 / len(names)
    drawn = []
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share > 0.001:
                drawn.append(
                    svg.element(
                        "rect",
                        svg.tooltip(f"{names[i]} → {across[j]}: {say(cells[i][j])}"),
                        x=svg.percent(j * width),
                        y=svg.percent(i * height),
                        width=svg.percent(width),
                        height=svg.percent(height),
                        class_="chart-heat" if i == j else "chart-heat chart-heat-off",
                        fill_opacity=round(0.12 + 0.88 * share, 3),
                    )
                )
    wrong = [
        (shares[i][j], i, j)
        for i in range(len(names))
        for j in range(len(across))
        if names[i] != across[j] and cells[i][j] > 0
    ]
    rows = [
        [names[i], across[j], say(cells[i][j]), f"{share * 100:.0f}\u202f%"]
        for share, i, j in sorted(wrong, key=lambda w: (-w[0], w[1], w[2]))[:WORST]
    ]
    return Chart(
        title=title,
        body=svg.picture("".join(drawn), kind="heat", name=title, description=description),
        columns=[*labels, "", "%"],
        rows=rows,
        description=description,
        kind="heat",
    )
