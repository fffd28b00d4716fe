"""Pages of a long list by position instead of by number: as quick at the end as at the start.

The list is ordered by one unique column or by a column and then a unique one; the address has the last row's values.
Source: https://use-the-index-luke.com/no-offset
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Model, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.http import HttpRequest

from labeling.text import bodies


@dataclass(frozen=True)
class Page:
    """Some rows, and the addresses (query strings) of the rows around them."""

    rows: list[Any]
    previous: str
    next: str


def page(request: HttpRequest, rows: QuerySet[Any], *, order: str = "-id", then: str = "id", size: int = 50) -> Page:
    """The page that ``?after=`` or ``?before=`` asks for.

    Args:
        order: One column, with a minus for falling.
        then: The unique whole number that orders rows which are equal there.
    """
    column, falling = order.lstrip("-"), order.startswith("-")
    names = [column] if column == then else [column, then]
    back = "before" in request.GET
    cursor = _read(request.GET.get("before") or request.GET.get("after") or "", len(names))
    found = _some(rows, names, cursor, falling != back, size)
    if not found and cursor is not None:  # what was there is gone
        back, cursor = False, None
        found = _some(rows, names, cursor, falling, size)
    more, found = len(found) > size, found[:size]
    if back:
        found.reverse()
    before = bool(found) and (more if back else cursor is not None)
    after = bool(found) and (cursor is not None if back else more)
    return Page(
        rows=found,
        previous=_link(request, "before", found[0], names) if before else "",
        next=_link(request, "after", found[-1], names) if after else "",
    )


def _some(rows: QuerySet[Any], names: list[str], cursor: list[Any] | None, downwards: bool, size: int) -> list[Any]:
    """The rows from the cursor on, with one more than the page holds where there are more."""
    if cursor is not None:
        rows = rows.filter(_beyond(names, cursor, downwards))
    return list(rows.order_by(*(("-" if downwards else "") + name for name in names))[: size + 1])


def _beyond(names: list[str], cursor: list[Any], downwards: bool) -> Q:
    """Rows that come after the cursor in the order of the names.

    Both columns are compared as one row, by which an index is entered: an "or" would walk it from its start.
    """
    step = TupleLessThan if downwards else TupleGreaterThan
    if len(names) == 1:
        return Q(**{f"{names[0]}__{'lt' if downwards else 'gt'}": cursor[0]})
    return Q(step(Tuple(*map(F, names)), tuple(cursor)))


def _read(text: str, length: int) -> list[Any] | None:
    """A cursor out of an address; anything that is not one starts at the beginning."""
    try:
        values = bodies.loads(text) if text else None
    except ValueError:
        return None
    if not isinstance(values, list) or len(values) != length:
        return None
    return values if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) else None


def _link(request: HttpRequest, side: str, row: Model, names: list[str]) -> str:
    query = request.GET.copy()
    query.pop("after", None)
    query.pop("before", None)
    query[side] = json.dumps([getattr(row, name) for name in names], separators=(",", ":"))
    return "?" + query.urlencode()
