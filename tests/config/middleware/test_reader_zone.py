"""Pages tell the time of their reader's place, and days in a row are a worker's own; programs are told UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.models import Membership, Project
from tests.labeling.conftest import claim, client, make_project, owner, person, project, worker  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("330:Asia/Kolkata", "2 Jul 2026 01:30"),
        ("60:Europe/Berlin", "1 Jul 2026 22:00"),  # in its summer, though it was asked in winter
        ("330:Asia/Of_An_Older_Name", "2 Jul 2026 01:30"),
        ("-90:", "1 Jul 2026 18:30"),
        ("0:Asia", "1 Jul 2026 20:00"),  # a folder of names
        ("", "1 Jul 2026 20:00"),
        ("1440:../../etc/passwd", "1 Jul 2026 20:00"),
        ("999:/etc/passwd", "2 Jul 2026 12:39"),
    ],
)
def test_a_page_tells_the_readers_time_and_the_api_utc(project: Project, worker: User, zone: str, told: str) -> None:  # noqa: F811
    member = services.ensure_member(project=project, user=worker)
    at = datetime(2026, 7, 1, 20, tzinfo=UTC)
    Membership.objects.filter(pk=member.pk).update(is_paused=True, paused_at=at, joined_at=at)
    browser = Client()
    browser.cookies["zone"] = zone
    browser.force_login(worker)
    assert f"Since {told}:" in browser.get(f"/label/{project.slug}/").content.decode()
    browser.force_login(project.owner)
    listed = browser.get(f"/api/v1/projects/{project.slug}/workers/").json()["results"]
    assert {"2026-07-01T20:00:00Z"} == {row["joined_at"] for row in listed if row["username"] == worker.username}


def test_days_in_a_row_are_those_of_the_workers_place(project: Project, worker: User) -> None:  # noqa: F811
    """The two places never have the same day."""
    east, west = (datetime.now(ZoneInfo(name)).date() for name in ("Pacific/Kiritimati", "Etc/GMT+12"))
    member = services.ensure_member(project=project, user=worker)
    Membership.objects.filter(pk=member.pk).update(streak_days=4, last_day=east - timedelta(days=1))
    browser = Client()
    browser.force_login(worker)
    for zone, days in (("840:Pacific/Kiritimati", 5), ("-720:Etc/GMT+12", 5)):
        browser.cookies["zone"] = zone
        lease = claim(project, worker)
        address = f"/api/v1/assignments/{lease.pk}/judgment/"
        assert browser.post(address, {"answers": {"category": "cat"}}, "application/json").status_code == 201
        member.refresh_from_db()
        assert (member.streak_days, member.last_day) == (days, east)
    Membership.objects.filter(pk=member.pk).update(last_day=west - timedelta(days=1))
    for zone, is_told in (("840:Pacific/Kiritimati", False), ("-720:Etc/GMT+12", True)):
        browser.cookies["zone"] = zone
        assert ("5 days in a row" in browser.get("/label/").content.decode()) is is_told
