"""A confusion matrix (rows the truth, columns the answer), as a table with tinted cells.

Up to ``READABLE`` names it is a table that can be read cell by cell; above, the largest confusions as rows, which is
what a person looks for, and below them a picture of all cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from labeling.charts import svg
from labeling.charts.chart import Chart, empty
from labeling.charts.scale import Format, sayer

READABLE = 12  # fit half of a desktop's page
MANY = 6  # names beyond which they stand upright over narrow columns
WORST = 10
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
    link: Callable[[int, int], str] | None = None,
) -> Chart:
    """Draw cells [n, n], each tinted by its share of its row. ``link`` has the address of what is behind a cell."""
    link = link or (lambda _row, _column: "")
    if not names or not any(any(row) for row in cells):
        return empty(title, "matrix")
    shares = _shares(cells)
    if len(names) > READABLE:
        return _picture(names, cells, shares, title, description, (row_label, column_label), unit, link)
    say = _whole_percent if unit == "percent" else sayer(unit)
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(
            _cell(_linked(say(value), link(i, j) if value else ""), share, i == j)
            for j, (value, share) in enumerate(zip(row, tints, strict=True))
        )
        + "</tr>"
        for i, (name, row, tints) in enumerate(zip(names, cells, shares, strict=True))
    )
    many = " chart-many" if len(names) > MANY else ""
    corner = _axes(row_label, column_label)
    return Chart(
        title=title,
        body='<div class="chart-scroll" tabindex="0" role="group" aria-label="' + escape(title) + '">'
        f'<table class="chart-matrix{many}"><caption class="visually-hidden">{escape(title)}</caption>'
        f'<thead><tr><th class="chart-corner">{corner}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>',
        description=description,
        kind="matrix",
        body_is_table=True,
    )


def _axes(row_label: str, column_label: str) -> str:
    """What goes down and what goes across."""
    return f"{escape(row_label)} ↓ {escape(column_label)} →"


def _whole_percent(share: float) -> str:
    """A cell has no room for more digits."""
    return f"{share * 100:.0f}\u202f%"


def _shares(cells: Sequence[Sequence[float]]) -> list[list[float]]:
    totals = [sum(row) or 1.0 for row in cells]
    return [[value / total for value in row] for row, total in zip(cells, totals, strict=True)]


def _cell(value: Markup, share: float, diagonal: bool) -> str:
    """``--v`` is how full the tint is; text turns light on a full one, whose tint charts.css deepens to carry it."""
    classes = ["chart-diagonal"] if diagonal else []
    classes += ["chart-full"] if share > FULL else []
    named = f' class="{" ".join(classes)}"' if classes else ""
    return f'<td{named} style="--v:{share:.3f}">{value}</td>'


class Markup(str):
    """Text that is HTML already, as templates know it."""

    def __html__(self) -> str:
        return self


def _linked(text: str, address: str) -> Markup:
    return Markup(f'<a href="{escape(address)}">{escape(text)}</a>' if address else escape(text))


def _picture(
    names: Sequence[str],
    cells: Sequence[Sequence[float]],
    shares: Sequence[Sequence[float]],
    title: str,
    description: str,
    labels: tuple[str, str],
    unit: Format,
    link: Callable[[int, int], str],
) -> Chart:
    say = sayer(unit)
    side = 1 / len(names)
    drawn = []
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share > 0.001:
                drawn.append(
                    svg.element(
                        "rect",
                        svg.tooltip(f"{names[i]} → {names[j]}: {say(cells[i][j])}"),
                        x=svg.percent(j * side),
                        y=svg.percent(i * side),
                        width=svg.percent(side),
                        height=svg.percent(side),
                        class_="chart-heat" if i == j else "chart-heat chart-heat-off",
                        fill_opacity=round(0.12 + 0.88 * share, 3),
                    )
                )
    # By how often, since of a category with one image a mistake is always all of it.
    wrong = [
        (-cells[i][j], -share, i, j) for i, row in enumerate(shares) for j, share in enumerate(row) if i != j and share
    ]
    rows = [
        [names[i], names[j], _linked(say(-often), link(i, j)), f"{-share * 100:.0f}\u202f%"]
        for often, share, i, j in sorted(wrong)[:WORST]
    ]
    return Chart(
        title=title,
        body=f'<p class="chart-axes">{_axes(*labels)}</p>'
        + svg.picture("".join(drawn), kind="heat", name=title, description=description),
        columns=[*labels, "", "%"],
        rows=rows,
        description=description,
        kind="heat",
    )
