"""What is over is forgotten; what still counts stays."""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from labeling import services
from labeling.accounts.keys import create_key
from labeling.models import ApiKey, Job, Project, WebhookDelivery
from labeling.upkeep import tidying

pytestmark = pytest.mark.django_db


def test_sessions_that_are_over_go_and_others_stay() -> None:
    now = timezone.now()
    for name, hours in (("over", -1), ("lives", 1)):
        Session.objects.create(session_key=name, session_data="", expire_date=now + timedelta(hours=hours))
    tidying.forget()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["lives"]


def test_keys_of_a_person_go_a_month_after_their_end(project: Project) -> None:
    now, old = timezone.now(), timedelta(days=31)
    made = {
        name: create_key(user=project.owner, name=name, expires_at=end, project=of)[0]
        for name, end, of in (
            ("over", now - old, None), ("lately", now - timedelta(days=1), None), ("lives", now + old, None),
            ("for ever", None, None), ("of the project", now - old, project),
        )
    }  # fmt: skip
    tidying.forget()
    assert set(ApiKey.objects.values_list("name", flat=True)) == made.keys() - {"over"}


def test_letters_to_webhooks_are_kept_for_a_month_and_those_that_wait_until_they_arrive(project: Project) -> None:
    hook = services.add_webhook(project=project, user=project.owner, url="https://example.com/hook")
    states = WebhookDelivery.State
    for state, days in ((states.DELIVERED, 31), (states.FAILED, 31), (states.WAITING, 31), (states.DELIVERED, 29)):
        WebhookDelivery.objects.create(
            webhook=hook,
            event="task.retired",
            payload={},
            state=state,
            created_at=timezone.now() - timedelta(days=days),
        )
    tidying.forget()
    assert sorted(WebhookDelivery.objects.values_list("state", flat=True)) == ["delivered", "waiting"]
    services.change_webhook(webhook=hook, user=project.owner, is_active=False)  # they wait for nothing then
    tidying.forget()
    assert [row.state for row in WebhookDelivery.objects.all()] == ["delivered"]


def test_uploads_of_an_import_that_ended_or_never_was_go_after_a_day(project: Project) -> None:
    def upload(name: uuid.UUID, hours: int) -> None:
        file = Path(default_storage.path(default_storage.save(f"imports/{name}/000000", ContentFile(b"x"))))
        os.utime(file, (time.time() - hours * 3600,) * 2)

    now = timezone.now()
    jobs = {
        name: Job.objects.create(project=project, kind="import_images", state=state, finished_at=ended)
        for name, state, ended in (
            ("failed", "failed", now - timedelta(hours=25)),
            ("failed lately", "failed", now - timedelta(hours=1)),
            ("waits", "queued", None),
        )
    }
    never, coming = uuid.uuid4(), uuid.uuid4()
    for job in jobs.values():
        upload(job.pk, 48)
    upload(never, 25)
    upload(coming, 0)
    tidying.forget()
    left = set(default_storage.listdir("imports")[0])
    assert left == {str(jobs["failed lately"].pk), str(jobs["waits"].pk), str(coming)}


def test_what_jobs_made_to_be_fetched_goes_after_a_week(project: Project) -> None:
    def made(kind: str, days: int) -> Job:
        name = default_storage.save(f"exports/{kind}-{days}/x.csv", ContentFile(b"x"))
        ended = timezone.now() - timedelta(days=days)
        result = {"file": name, "url": "/x", "images": 1}
        return Job.objects.create(project=project, kind=kind, state="succeeded", result=result, finished_at=ended)

    old, new = [made(kind, 8) for kind in ("export", "predict", "download")], made("export", 6)
    names = [job.result["file"] for job in old]
    tidying.forget()
    for job, name in zip(old, names, strict=True):
        job.refresh_from_db()
        assert (job.result, default_storage.exists(name)) == ({"images": 1}, False)
        assert "after a week" in str(job.message)
    new.refresh_from_db()
    assert default_storage.exists(new.result["file"])
