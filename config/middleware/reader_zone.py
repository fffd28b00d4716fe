"""Pages tell the time where their reader is; programs and files are told UTC.

``static/js/app.js`` keeps in a cookie what the browser knows: minutes beside UTC, and the time zone's name, as in
``330:Asia/Calcutta``. The name knows of summer and winter. Not every system has the older ones, which browsers still
say; there the minutes are enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils.timezone import override

from config import errors
from labeling import days

COOKIE = "zone"
_FORM = re.compile(r"(-?[0-9]{1,3}):([A-Za-z0-9_+/-]{0,50})")


class ReaderZoneMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        zone = of(request)
        with days.of(zone), override(UTC if errors.is_api(request) else zone):
            return self.get_response(request)


def of(request: HttpRequest) -> tzinfo:
    found = _FORM.fullmatch(request.COOKIES.get(COOKIE, ""))
    if found is None:
        return UTC
    minutes, name = found.groups()
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not known here; no name; a folder of names
        return timezone(timedelta(minutes=int(minutes)))
