"""The count of a key's images: by the minute and by the day, each begun anew."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from inference.errors import QuotaSpent
from inference.intake import limits
from inference.models import KeyLimit
from labeling.accounts.keys import create_key
from labeling.models import ApiKey
from tests.inference.conftest import NOW, Noon

MINUTE = NOW.replace(second=0)


@pytest.fixture
def key(owner: Any, noon: None, monkeypatch: pytest.MonkeyPatch) -> ApiKey:
    monkeypatch.setattr(limits, "_known", {})
    return create_key(user=owner)[0]


def used(key: ApiKey) -> tuple[int, int]:
    return KeyLimit.objects.values_list("minute_used", "day_used").get(key=key)


@pytest.mark.parametrize(
    ("minute", "day", "expected"),
    [
        (MINUTE, NOW.date(), (4, 8)),
        (MINUTE - timedelta(minutes=1), NOW.date(), (1, 8)),
        (MINUTE - timedelta(days=1), NOW.date() - timedelta(days=1), (1, 1)),
        (None, None, (1, 1)),
    ],
)
def test_a_new_minute_and_a_new_day_begin_with_nothing_used(
    key: ApiKey, minute: datetime | None, day: date | None, expected: tuple[int, int]
) -> None:
    KeyLimit.objects.create(key=key, per_minute=4, per_day=8, minute=minute, day=day, minute_used=3, day_used=7)
    limits.spend(key, 1)
    assert used(key) == expected


def test_what_another_process_has_counted_in_the_next_minute_and_day_is_not_begun_anew(
    key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(Noon):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return NOW.replace(hour=23, minute=59, second=59)

    monkeypatch.setattr(limits, "datetime", Late)
    midnight = MINUTE.replace(hour=0, minute=0) + timedelta(days=1)
    KeyLimit.objects.create(
        key=key, per_minute=4, per_day=8, minute=midnight, day=midnight.date(), minute_used=3, day_used=3
    )
    limits.spend(key, 1)
    row = KeyLimit.objects.get()
    assert (row.minute, row.day, used(key)) == (midnight, midnight.date(), (4, 4))
    with pytest.raises(QuotaSpent):
        limits.spend(key, 1)


@pytest.mark.parametrize(
    ("per_minute", "per_day", "wait"),
    [(5, None, 40), (5, 100, 40), (None, 5, 43_180), (100, 5, 43_180), (5, 5, 43_180)],
)
def test_what_goes_beyond_is_refused_until_the_limit_begins_anew_and_not_counted(
    key: ApiKey, per_minute: int | None, per_day: int | None, wait: int
) -> None:
    KeyLimit.objects.create(
        key=key, per_minute=per_minute, per_day=per_day, minute=MINUTE, day=NOW.date(), minute_used=4, day_used=4
    )
    with pytest.raises(QuotaSpent) as refused:
        limits.spend(key, 2)
    assert refused.value.wait == wait
    assert used(key) == (4, 4)
    limits.spend(key, 1)
    assert used(key) == (5, 5)
