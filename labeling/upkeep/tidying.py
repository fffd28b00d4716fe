"""Forgets what nobody asks for any more: sessions and keys that are over, old letters to webhooks, uploads whose
import ended without having cleaned up (it failed, was cancelled, or never came to be), files that a kill cut off, files
made to be fetched. Worker-side.

Django deletes an expired session only when its browser comes back, and a webhook has a row for each answer.
Source: https://docs.djangoproject.com/en/5.2/topics/http/sessions/#clearing-the-session-store
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from datetime import datetime, timedelta

from django.contrib.sessions.backends.db import SessionStore
from django.core.files.storage import default_storage
from django.utils import timezone

from labeling.files import storage
from labeling.importing import sources
from labeling.models import ApiKey, Job, WebhookDelivery
from labeling.text.words import gettext as _

DELIVERIES_KEPT = timedelta(days=30)
UPLOADS_KEPT = timedelta(days=1)
RESULTS_KEPT = timedelta(days=7)
KEYS_KEPT = timedelta(days=30)


def forget() -> None:
    SessionStore.clear_expired()
    old = WebhookDelivery.objects.filter(created_at__lt=timezone.now() - DELIVERIES_KEPT)
    old.exclude(state=WebhookDelivery.State.WAITING, webhook__is_active=True).delete()
    # A program may ask for one at each run. Those of projects stay until somebody there replaces or removes them.
    ApiKey.objects.filter(project=None, expires_at__lt=timezone.now() - KEYS_KEPT).delete()
    _forget_uploads(timezone.now() - UPLOADS_KEPT)
    _forget_parts(timezone.now() - UPLOADS_KEPT)
    _forget_results(timezone.now() - RESULTS_KEPT)


def _forget_parts(before: datetime) -> None:
    """What a kill left of files that came in, or were being made or stored. Whoever still uses one wrote it lately."""
    for path in storage.parts_folder().iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is whole now, or its process has tidied it up itself
            written = max(each.stat().st_mtime for each in (path, *path.rglob("*")))
            if written < before.timestamp():
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _forget_results(before: datetime) -> None:
    """The files of old exports, predictions and downloads; their jobs stay and say so."""
    for job in Job.objects.filter(finished_at__lt=before, result__has_key="file").order_by("pk"):
        default_storage.delete(job.result.pop("file"))
        job.result.pop("url", None)
        Job.objects.filter(pk=job.pk).update(result=job.result, message=_("The file was removed after a week."))


def _forget_uploads(before: datetime) -> None:
    """Those of a job that ended long ago, and those that came in long ago for a job that never was."""
    waiting = [name for name in _folders(sources.spool_folder("")) if _is_id(name)]
    jobs = Job.objects.in_bulk([uuid.UUID(name) for name in waiting])
    for name in waiting:
        job = jobs.get(uuid.UUID(name))
        since = job.finished_at if job is not None else _received(sources.spool_folder(name))
        if since is not None and since < before:
            sources.clean(name)


def _folders(top: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return [name.strip("/") for name in default_storage.listdir(top)[0]]
    return []


def _is_id(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(name)) == name
    return False


def _received(folder: str) -> datetime | None:
    files = default_storage.listdir(folder)[1]
    return min((default_storage.get_modified_time(f"{folder}/{name}") for name in files), default=None)
