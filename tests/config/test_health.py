"""What supervisors, balancers and Prometheus are told."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from typing import ClassVar

import dramatiq
import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError, connection

from config import health
from config.models import QueuedMessage
from labeling.accounts.keys import create_key
from tests import ROOT
from tests.config.messages.test_postgres import message


class FullDisk(FileSystemStorage):
    """Makes the file and has no room for what is in it, as a full disk does."""

    def _save(self, name, content):
        super()._save(name, ContentFile(b""))
        raise OSError(errno.ENOSPC, "No space left on device")


class ReadOnly(FileSystemStorage):
    """Takes nothing, as a disk that the system made read-only does."""

    def _save(self, name, content):
        raise OSError(errno.EROFS, "Read-only file system", self.path(name))


class Counted(FileSystemStorage):
    """Keeps the names of what was written."""

    names: ClassVar[list[str]] = []

    def _save(self, name, content):
        self.names.append(name)
        return super()._save(name, content)


class Unlisted(FileSystemStorage):
    """As a bucket whose key may read and write, and not list."""

    def listdir(self, path):
        raise PermissionError(path)


pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has asked lately, and no check is given up, or made again, because the machine is busy."""
    monkeypatch.setattr(health, "PATIENCE", 120)
    monkeypatch.setattr(health.storage_lately, "_good", 3600)
    health.storage_lately.forget()
    health.model_lately.forget()


def test_who_asks_each_second_makes_us_write_seldom_and_is_told_at_once_of_what_was_mended(client, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Counted"}}
    Counted.names = []
    assert [client.get("/readyz").status_code for _time in range(5)] == [200] * 5
    assert len(Counted.names) == 1
    health.storage_lately.forget()
    (tmp_path / "media").rename(tmp_path / "away")
    (tmp_path / "media").write_text("a file where a folder should be")
    assert [client.get("/readyz").status_code for _time in range(2)] == [503] * 2
    (tmp_path / "media").unlink()
    assert client.get("/readyz").status_code == 200


def test_a_store_that_hangs_is_tried_once_and_nobody_waits_for_it(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.1)
    tries, answers = [], threading.Event()

    def hang():
        tries.append(1)
        answers.wait(30)

    lately = health.Lately("storage", hang)
    try:
        assert {lately.outcome() for _time in range(3)} == {"has not answered for 0 seconds"}
    finally:
        answers.set()
    monkeypatch.setattr(health, "PATIENCE", 30)
    assert (lately.outcome(), lately.outcome(), tries) == ("ok", "ok", [1])


def test_alive_needs_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"alive\n")


def test_ready_names_each_part(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "checks": dict.fromkeys(["database", "queue", "storage", "model"], "ok")}


def test_not_ready_says_which_part_and_why(client, settings, tmp_path):
    blocked = tmp_path / "a file where a folder should be"
    blocked.write_text("")
    settings.MEDIA_ROOT = str(blocked)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["checks"]["storage"].startswith("failed")
    assert answer.json()["checks"]["database"] == "ok"


def test_a_full_disk_is_named_and_nothing_is_left_of_the_try(client, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.FullDisk"}}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["storage"] == "The disk is full."
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_disk_that_is_read_only_is_named_without_its_paths(client, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.ReadOnly"}}
    answer = client.get("/readyz")
    told = "The store of files refuses this: Read-only file system."
    assert (answer.status_code, answer.json()["checks"]["storage"]) == (503, told)


def test_a_store_that_lists_nothing_is_not_ready(client, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Unlisted"}}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["storage"][:24]) == (503, "failed (PermissionError)")


def test_a_database_that_is_frozen_is_not_waited_for():
    given = connection.settings_dict
    connect = functools.partial(psycopg.connect, host=given["HOST"], user=given["USER"], dbname=given["NAME"])
    with contextlib.closing(connect()) as asked:
        backend = asked.info.backend_pid  # of a connection that broke it is 0
        os.kill(backend, signal.SIGSTOP)
        try:
            with pytest.raises(psycopg.OperationalError), health.hung_up_after(0.1, asked.pgconn.socket):
                asked.execute("SELECT 1")
        finally:
            os.kill(backend, signal.SIGCONT)
    with contextlib.closing(connect()) as asked, health.hung_up_after(60, asked.pgconn.socket):
        assert asked.execute("SELECT 1").fetchone() == (1,)


def test_a_database_that_is_away_is_waited_for_once(client, monkeypatch):
    asked: list[str] = []

    def away():
        asked.append("database")
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "database", away)
    checks = client.get("/readyz").json()["checks"]
    assert checks["database"].startswith("failed (OperationalError)")
    assert checks["queue"] == checks["model"] == "waits for the database"
    assert asked == ["database"]


def test_answers_about_health_are_never_cached(client):
    for address in ("/healthz", "/readyz", "/metrics"):
        assert "no-store" in client.get(address)["Cache-Control"]


def test_nobody_waits_once_more_for_what_has_hung_for_long(monkeypatch):
    answers = threading.Event()
    lately = health.Lately("store", answers.wait)
    monkeypatch.setattr(health, "PATIENCE", 0.0)
    assert lately.outcome() == "has not answered for 0 seconds"
    monkeypatch.setattr(health, "PATIENCE", 30.0)
    lately._began -= 60
    timer = threading.Timer(0.2, answers.set)
    timer.start()
    assert lately.outcome() == "has not answered for 30 seconds"
    timer.join()
    assert lately._trying is not None
    assert lately._trying.result(30) == "ok"  # set by the try's own thread, a moment after the answer
    assert lately.outcome() == "ok"


def test_metrics_tell_of_the_queue_and_of_what_was_given_up(client):
    for name in ("fit", "poison"):
        dramatiq.get_broker().enqueue(message(name))
    QueuedMessage.objects.filter(message__actor_name="poison").update(state="rejected")
    text = client.get("/metrics").content.decode()
    assert 'crowdtune_queue_messages{queue="cpu",state="queued"} 1.0' in text
    assert 'crowdtune_queue_parked{actor="poison"} 1.0' in text
    assert "crowdtune_judgments 0.0" in text
    assert "django_http_requests_total" in text


def test_metrics_of_a_process_that_ended_count_on_but_hold_nothing(client, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for images in (3, 4):
        code = f"""
            from inference.engine.metrics import IMAGES, MEMORY, QUEUE, REFUSED
            IMAGES.labels("pets", "1").inc({images})
            REFUSED.inc()
            QUEUE.inc(5)
            MEMORY.set(2**20)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, check=True)
    text = client.get("/metrics").content.decode()
    assert 'crowdtune_predicted_images_total{project="pets",version="1"} 7.0' in text
    assert "crowdtune_predict_refused 2.0" in text
    assert not re.search(r"^crowdtune_(predict_queue_images|model_cache_bytes) ", text, re.MULTILINE)
    assert "crowdtune_judgments 0.0" in text


@pytest.mark.parametrize(
    "how",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"HTTP_FORWARDED": "for=192.0.2.7"},
        {"HTTP_X_REAL_IP": "192.0.2.7"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
    ],
)
def test_metrics_are_not_for_strangers(client, how):
    answer = client.get("/metrics", **how)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "permission_denied"


def test_metrics_are_for_staff_from_anywhere(client):
    client.force_login(get_user_model().objects.create_user("operator", is_staff=True))
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 200


@pytest.mark.parametrize(
    ("is_staff", "scopes", "status"), [(True, ("manage",), 200), (True, ("predict",), 403), (False, ("manage",), 403)]
)
def test_metrics_are_for_a_key_of_staff_that_manages(client, is_staff, scopes, status):
    operator = get_user_model().objects.create_user("operator", is_staff=is_staff)
    _row, key = create_key(user=operator, scopes=scopes)
    for word in ("Token", "Bearer"):
        headers = {"Authorization": f"{word} {key}"}
        assert client.get("/metrics", REMOTE_ADDR="192.0.2.7", headers=headers).status_code == status
    refused = client.get("/metrics", REMOTE_ADDR="192.0.2.7", headers={"Authorization": "Token of nobody"})
    assert refused.status_code == 403


def test_the_api_can_be_read_and_tried_without_an_inline_script(client):
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert "script-src 'self'" in page["Content-Security-Policy"]
    html = page.content.decode()
    assert html.count("<script") == html.count("<script src=")
    script = client.get("/api/docs/?script=")
    assert client.options("/api/docs/").status_code == 405
    assert script["Content-Type"].startswith("application/javascript")
    assert "persistAuthorization" not in script.content.decode()  # a key that was tried stays in no browser
    assert client.get("/api/schema/?format=json").json()["openapi"].startswith("3.")


def test_a_browser_finds_an_icon_for_an_answer_that_names_none(client):
    address = client.get("/favicon.ico")["Location"]
    assert finders.find(address.removeprefix("/static/"))
