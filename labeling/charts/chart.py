"""What every plot returns: its picture, and the words and numbers that say the same without seeing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Series after the eighth repeat the colours; eight is what an eye can tell apart.
COLOURS = 8


@dataclass(frozen=True)
class Legend:
    """One entry: ``slot`` is 1 to 8 and names a CSS colour, ``--chart-1`` to ``--chart-8``."""

    name: str
    slot: int


@dataclass(frozen=True)
class Chart:
    """A plot. ``body`` is safe HTML (an SVG, or a table that draws its own bars); ``rows`` are its numbers as text.

    ``body_is_table`` says that the body is readable by itself, so that no second table is offered.
    """

    title: str
    body: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    legend: Sequence[Legend] = ()
    description: str = ""
    kind: str = ""
    body_is_table: bool = False
    is_empty: bool = False


def slot(index: int) -> int:
    """The colour of the series with this index, 1 to 8."""
    return index % COLOURS + 1


def legend(names: Sequence[str]) -> list[Legend]:
    """Which colour is whose; a series that is alone needs none."""
    return [Legend(name, slot(index)) for index, name in enumerate(names)] if len(names) > 1 else []


def empty(title: str, kind: str) -> Chart:
    """A plot without numbers: the page says so instead of drawing axes around nothing."""
    return Chart(title=title, body="", kind=kind, is_empty=True)
