"""Jobs: claimed once, cancelled, failed with their reason, taken over from the dead."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling import jobs, services
from labeling.actors import import_images
from labeling.errors import CrowdtuneError, JobLost
from labeling.files import storage
from labeling.jobs import Report
from labeling.models import Job, Project, WebhookDelivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(project: Project) -> Job:
    return jobs.start(project=project, kind="test", arguments={}, requested_by=None, actor=import_images)


def nothing(job: Job, report: Report) -> dict[str, Any]:
    return {"done": True}


def test_a_message_that_comes_twice_does_its_work_once(job: Job) -> None:
    calls: list[int] = []

    def work(job: Job, report: Report) -> None:
        calls.append(1)
        jobs.run(str(job.pk), work)

    jobs.run(str(job.pk), work)
    jobs.run(str(job.pk), work)
    assert calls == [1]


def test_success_and_refusals_are_written_down(job: Job) -> None:
    def work(job: Job, report: Report) -> dict[str, Any]:
        report.error("a.png", "damaged", "It is cut off.")
        report.checkpoint(0.5, "half")
        return {"imported": 3}

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert (job.state, job.progress, job.result) == ("succeeded", 1.0, {"imported": 3, "refused": 1})
    assert job.errors == [{"item": "a.png", "code": "damaged", "message": "It is cut off."}]
    assert job.finished_at is not None


def test_what_was_refused_is_written_again_only_when_there_is_more(job: Job) -> None:
    written = []

    def work(job: Job, report: Report) -> None:
        for more in (1, 0, jobs.MOST_ERRORS, 2):
            for number in range(more):
                report.error(f"row {number}", "bad_row", "No.")
            with CaptureQueriesContext(connection) as queries:
                report.checkpoint(0.5)
            written.append(any('"errors" = ' in query["sql"] for query in queries))

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert written == [True, False, True, False]
    assert (len(job.errors), job.result["refused"]) == (jobs.MOST_ERRORS, jobs.MOST_ERRORS + 3)


def test_a_refusal_of_the_whole_is_a_failure_in_its_own_words(job: Job) -> None:
    def work(job: Job, report: Report) -> None:
        raise CrowdtuneError("not_an_archive", "Expected a zip.")

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", "Expected a zip.")


def test_a_bug_is_a_failure_that_does_not_show_its_insides(job: Job) -> None:
    def work(job: Job, report: Report) -> None:
        raise ZeroDivisionError("secret 42")

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert job.state == "failed"
    assert "ZeroDivisionError" in job.message
    assert "secret" not in job.message


@pytest.mark.parametrize("of_sqlite", [True, False])
def test_a_full_disk_is_told_as_such(job: Job, of_sqlite: bool) -> None:
    def work(job: Job, report: Report) -> None:
        if not of_sqlite:
            raise OSError(errno.ENOSPC, "No space left on device")
        with contextlib.closing(sqlite3.connect(":memory:")) as db:
            db.execute("PRAGMA max_page_count = 1")
            db.execute("CREATE TABLE more (than INTEGER)")

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert job.state == "failed"
    assert job.message.startswith("The disk is full.")


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EROFS, "Read-only file system", "/data/media/x")],
)
def test_a_disk_that_takes_nothing_is_waited_for_by_work_that_can_go_on_but_not_for_ever(
    job: Job, error: OSError
) -> None:
    full = True

    def work(job: Job, report: Report) -> dict[str, Any]:
        report.checkpoint(0.5, "half")
        if full:
            raise error
        return {"done": True}

    for _again in range(jobs.MOST_ATTEMPTS + 1):
        jobs.run(str(job.pk), work, waits=True)
        job.refresh_from_db()
        assert (job.state, job.progress, job.attempts) == ("queued", 0.5, 0)
        assert "goes on by itself" in job.message
        Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - jobs.UNSENT_AFTER * 2)
        assert jobs.requeue_stuck() == 1
    full = False
    jobs.run(str(job.pk), work, waits=True)
    job.refresh_from_db()
    assert job.state == "succeeded"

    full = True
    Job.objects.filter(pk=job.pk).update(state="queued", created_at=timezone.now() - jobs.MOST_WAITING * 2)
    jobs.run(str(job.pk), work, waits=True)
    job.refresh_from_db()
    assert job.state == "failed"


def test_a_database_that_went_away_meanwhile_fails_no_job(job: Job) -> None:
    def work(job: Job, report: Report) -> dict[str, Any]:
        if job.attempts == 1:
            report.checkpoint(0.5, "half")
            raise OperationalError("terminating connection due to administrator command")
        return {"done": True}

    with pytest.raises(OperationalError):  # so that its message is sent again
        jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert (job.state, job.progress) == ("queued", 0.5)
    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 2)


def test_work_that_begins_anew_is_tried_again_in_a_while_where_the_store_was_away(job: Job) -> None:
    def work(job: Job, report: Report) -> None:
        report.checkpoint(0.5, "half")
        raise EndpointConnectionError(endpoint_url="http://store")

    for attempt in range(1, jobs.MOST_ATTEMPTS):
        jobs.run(str(job.pk), work)
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("queued", attempt)
        assert job.message == "The store of files did not answer. This begins anew by itself in a minute."
        assert jobs.requeue_stuck() == 0, "at once"
        Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - jobs.UNSENT_AFTER * 2)
        assert jobs.requeue_stuck() == 1
    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", "The store of files does not answer. Try again in a moment.")


def test_a_database_that_fails_at_every_attempt_fails_the_job(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(attempts=jobs.MOST_ATTEMPTS - 1)

    def work(job: Job, report: Report) -> None:
        raise OperationalError("always")

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert job.state == "failed"


def test_cancelled_work_stops_at_its_next_word(job: Job) -> None:
    def work(job: Job, report: Report) -> None:
        jobs.cancel(job=job)
        report.checkpoint(0.5)
        raise AssertionError("went on after it was cancelled")

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_a_file_that_was_made_for_a_job_cancelled_meanwhile_is_removed(job: Job) -> None:
    names = []

    def work(job: Job, report: Report) -> dict[str, Any]:
        names.append(storage.put(f"exports/{job.pk}/{len(names)}.csv", b"all of it"))
        if len(names) == 2:
            jobs.cancel(job=job)
        else:  # another attempt goes on, and may have stored it under the same name
            Job.objects.update(state="queued")
        return {"file": names[-1]}

    jobs.run(str(job.pk), work)
    jobs.run(str(job.pk), work)
    assert [default_storage.exists(name) for name in names] == [True, False]


def test_a_process_that_was_taken_over_finds_out(job: Job) -> None:
    def work(job: Job, report: Report) -> None:
        Job.objects.filter(pk=job.pk).update(attempts=2)  # another process has claimed it since
        with pytest.raises(JobLost):
            report.checkpoint(0.5)
        raise JobLost

    jobs.run(str(job.pk), work)
    job.refresh_from_db()
    assert (job.state, job.progress) == ("running", 0.0)


def silent(job: Job, attempts: int = 1) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    Job.objects.filter(pk=job.pk).update(state="running", heartbeat_at=long_ago, attempts=attempts)


@pytest.mark.parametrize("beats", [True, False])
def test_a_job_whose_process_is_silent_is_sent_again_once(job: Job, beats: bool) -> None:
    silent(job)
    Job.objects.filter(pk=job.pk).update(heartbeat_at=F("heartbeat_at") if beats else None)
    assert (jobs.requeue_stuck(), jobs.requeue_stuck()) == (1, 0)
    jobs.run(str(job.pk), nothing)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 2)


def test_a_job_that_kills_every_process_is_given_up(job: Job) -> None:
    silent(job, attempts=jobs.MOST_ATTEMPTS)
    assert jobs.requeue_stuck() == 0
    job.refresh_from_db()
    assert job.state == "failed"
    assert "Given up" in job.message


def test_a_job_whose_message_was_lost_is_sent_again(job: Job, run_actors: Callable[[], int]) -> None:
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    assert (jobs.requeue_stuck(), jobs.requeue_stuck()) == (1, 0)


def test_a_job_that_waits_for_its_turn_fills_the_queue_with_no_messages(job: Job) -> None:
    for minutes, sent in ((5, 0), (11, 1)):
        Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=minutes))
        assert jobs.requeue_stuck() == sent


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_job_that_died_before_the_clock_was_set_back_is_sent_again(job: Job, state: str) -> None:
    Job.objects.filter(pk=job.pk).update(state=state, heartbeat_at=timezone.now() + timedelta(hours=2), attempts=1)
    assert (jobs.requeue_stuck(), jobs.requeue_stuck()) == (1, 0)


def test_a_job_at_work_is_left_alone(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state="running", heartbeat_at=timezone.now(), attempts=1)
    assert jobs.requeue_stuck() == 0


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_job_that_somebody_ends_or_that_is_given_up_is_told_of_as_any_other(project: Project, state: str) -> None:
    services.add_webhook(project=project, user=project.owner, url="https://example.org/", events=["job.finished"])
    job = Job.objects.create(project=project, kind="test", actor="import_images", result={"imported": 3})
    for _again in range(2):
        if state == "cancelled":
            jobs.cancel(job=job)
        else:
            long_ago = timezone.now() - jobs.STUCK_AFTER * 2
            Job.objects.filter(pk=job.pk, state="queued").update(
                state="running", attempts=jobs.MOST_ATTEMPTS, heartbeat_at=long_ago
            )
            jobs.requeue_stuck()
    told = WebhookDelivery.objects.get().payload
    assert (told["job"], told["state"], told["result"]) == (str(job.pk), state, {"imported": 3})
