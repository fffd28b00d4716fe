"""Per-key limits: images a minute and a day, counted in one conditional UPDATE, so all processes share one count.

What is left is told by ``RateLimit`` and ``RateLimit-Policy``, in answers and in refusals.
Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/12/
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from inference.errors import QuotaSpent
from inference.models import KeyLimit
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey
from labeling.text.words import gettext as _

SECONDS = 1.0
MINUTE = timedelta(minutes=1)
_known: dict[int, tuple[float, bool]] = {}  # key id -> (until, whether it has a limit)


def spend(key: Any, images: int) -> dict[str, str]:
    """Count so many images against the key; a session (no key) and a key without limits count nothing.

    Returns:
        Headers that tell of the limits and of what is left of them; none where there are none.

    Raises:
        QuotaSpent: 429, it has used up its minute or its day; nothing is counted then.
        CrowdtuneError: too_many_images, one request asks about more than the key ever may in a minute or a day.
    """
    if not is_limited(key):
        return {}
    now = datetime.now(UTC)
    minute, day = now.replace(second=0, microsecond=0), now.date()
    with connection.cursor() as cursor:
        # Another process may be in the next minute already, by its clock or because this one waited for the row: what
        # it counted there would else begin anew.
        cursor.execute(
            """
            UPDATE inference_keylimit SET
                minute_used = CASE WHEN minute IN (%(minute)s, %(next)s) THEN minute_used ELSE 0 END + %(n)s,
                minute = CASE WHEN minute = %(next)s THEN minute ELSE %(minute)s END,
                day_used = CASE WHEN day IN (%(day)s, %(next_day)s) THEN day_used ELSE 0 END + %(n)s,
                day = CASE WHEN day = %(next_day)s THEN day ELSE %(day)s END
            WHERE id = (SELECT COALESCE(counts_at_id, id) FROM inference_keylimit WHERE key_id = %(key)s)
              AND (per_minute IS NULL OR per_minute >=
                   CASE WHEN minute IN (%(minute)s, %(next)s) THEN minute_used ELSE 0 END + %(n)s)
              AND (per_day IS NULL OR per_day >=
                   CASE WHEN day IN (%(day)s, %(next_day)s) THEN day_used ELSE 0 END + %(n)s)
            RETURNING per_minute, minute_used, per_day, day_used
            """,
            {
                "minute": minute, "next": minute + MINUTE, "day": day, "next_day": (now + MINUTE).date(), "n": images,
                "key": key.pk,
            },
        )  # fmt: skip
        counted = cursor.fetchone()
    return _told(counted, now) if counted else _refuse(key, images, now)


def _told(counted: Sequence[Any], now: datetime) -> dict[str, str]:
    """Headers of what the row says: per_minute, minute_used, per_day, day_used."""
    per_minute, minute_used, per_day, day_used = counted
    windows = [
        ("minute", per_minute, minute_used, 60, 60 - now.second),
        ("day", per_day, day_used, 86_400, math.ceil(_until_tomorrow(now))),
    ]
    policies = [
        (f'"{name}";q={most};w={window};qu="images"', f'"{name}";r={max(most - used, 0)};t={rest}')
        for name, most, used, window, rest in windows
        if most is not None
    ]
    if not policies:
        return {}
    return dict(zip(("RateLimit-Policy", "RateLimit"), map(", ".join, zip(*policies, strict=True)), strict=True))


def _until_tomorrow(now: datetime) -> float:
    return (datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC) - now).total_seconds()


def is_limited(key: Any) -> bool:
    """Whether the images that come with it are counted; a second old at most."""
    if not isinstance(key, ApiKey):
        return False
    now = time.monotonic()
    known = _known.get(key.pk)
    if known is None or known[0] < now:
        if len(_known) > 10_000:
            _known.clear()
        known = _known[key.pk] = (now + SECONDS, KeyLimit.objects.filter(key=key).exists())
    return known[1]


def _refuse(key: ApiKey, images: int, now: datetime) -> dict[str, str]:
    limit = KeyLimit.objects.filter(key=key).select_related("counts_at").first()
    if limit is None:
        return {}  # it was lifted a moment ago
    limit = limit.counts_at or limit
    most = min(limit.per_minute or images, limit.per_day or images)
    if images > most:  # waiting would not help
        message = _("One request has %(images)s images, and this key may ask about %(most)s at a time; send fewer.")
        raise CrowdtuneError("too_many_images", message % {"images": images, "most": most})
    today = limit.day_used if limit.day == now.date() else 0
    this_minute = limit.minute_used if limit.minute == now.replace(second=0, microsecond=0) else 0
    headers = _told((limit.per_minute, this_minute, limit.per_day, today), now)
    if limit.per_day is not None and today + images > limit.per_day:
        told = _("This key may ask about %(per_day)s images a day; they are used up.") % {"per_day": limit.per_day}
        raise QuotaSpent(told, _until_tomorrow(now), headers)
    message = _("This key may ask about %(per_minute)s images a minute; wait for the next minute.") % {
        "per_minute": limit.per_minute
    }
    raise QuotaSpent(message, 60 - now.second, headers)
