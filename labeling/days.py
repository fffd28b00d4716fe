"""The day that it is where a person is, by which their days in a row are counted; UTC's for a program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, tzinfo

_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def today() -> date:
    return datetime.now(_zone.get()).date()


@contextmanager
def of(zone: tzinfo) -> Iterator[None]:
    """The days of this time zone, until this ends."""
    before = _zone.set(zone)
    try:
        yield
    finally:
        _zone.reset(before)
