"""A worker whose trainer process ends before it has claimed anything, as where libraries cannot be imported."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils import timezone

from labeling import jobs
from labeling.models import Job
from tests.training.drawing import labeled_project
from training import actors, services
from training.models import TrainingRun
from training.runs import running
from training.runs.trainer import TRAINER, ChildDied

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_process")]

DIES = "raise SystemExit(1)"  # as one does whose libraries cannot be imported
IS_STOPPED = "print('no answer', flush=True); input()"  # what the worker makes of it ends the call, as a signal does


@pytest.mark.parametrize(
    ("attempt", "end", "state"),
    [
        (None, DIES, "running"), (None, IS_STOPPED, "running"), (1, DIES, "running"), (1, IS_STOPPED, "running"),
        (2, DIES, "failed"), (2, IS_STOPPED, "queued"),
    ],
)  # fmt: skip
def test_a_worker_ends_and_gives_back_only_what_its_own_process_has_claimed(
    attempt: int | None, end: str, state: str, run: TrainingRun
) -> None:
    """Another worker may be at the run by then: its message came twice, or this process slept for long."""
    for _attempt in range(2):
        run.heartbeat_at = None
        run.save(update_fields=["heartbeat_at"])
        assert running.claim(str(run.pk)) is not None
    said = "" if attempt is None else f"print('{json.dumps({'attempt': attempt})}');"
    TRAINER.command = [sys.executable, "-c", f"input(); {said} {end}"]

    with contextlib.suppress(json.JSONDecodeError):
        assert running.work_on(str(run.pk)) is False

    run.refresh_from_db()
    assert (run.state, run.attempts) == (state, 2)


def test_a_trainer_that_cannot_even_start_fails_the_run_after_some_tries(
    run: TrainingRun, run_actors: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STAND_BACK_SECONDS", 0)
    tries = tmp_path / "tries"
    TRAINER.command = [sys.executable, "-c", f"input(); print(end='.', file=open({str(tries)!r}, 'a')); {DIES}"]

    run_actors(limit=10)

    run.refresh_from_db()
    assert (run.state, run.log[-1]["message"]) == ("failed", run.failure)
    assert run.failure == "The trainer process ended with exit status 1 before it began."
    assert "log" in run.advice
    assert len(tries.read_text()) == running.MAX_ATTEMPTS


@pytest.mark.parametrize("claimed", [True, False])
def test_what_another_worker_has_claimed_is_not_ended_by_a_trainer_that_cannot_start(
    claimed: bool, run: TrainingRun
) -> None:
    """Of two workers with one message only one can start its trainer."""
    TrainingRun.objects.filter(pk=run.pk).update(attempts=running.MAX_ATTEMPTS - 1 if claimed else 0)
    if claimed:
        assert running.claim(str(run.pk)) is not None

    assert running.died(str(run.pk), ChildDied(1)) is not claimed

    run.refresh_from_db()
    assert (run.state, run.attempts) == (("running", running.MAX_ATTEMPTS) if claimed else ("queued", 1))
    assert claimed or running.claim(str(run.pk)) is not None


@pytest.mark.parametrize("ago", [-timedelta(minutes=4), 2 * running.STALE_AFTER])
def test_a_trainer_that_cannot_start_uses_up_no_tries_while_another_worker_trains(
    ago: timedelta, run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = services.request_run(project=labeled_project("others", count=40), cause="person")
    assert running.claim(str(other.pk)) is not None
    TrainingRun.objects.filter(pk=other.pk).update(heartbeat_at=timezone.now() - ago)
    TRAINER.command = [sys.executable, "-c", f"input(); {DIES}"]

    again = [running.work_on(str(run.pk)) for _message in range(running.MAX_ATTEMPTS)]

    run.refresh_from_db()
    lives = ago < timedelta(0)  # by a clock that is a little ahead: however long this takes
    assert (run.state, run.attempts, any(again)) == (("queued", 0, False) if lives else ("failed", 3, True))
    monkeypatch.setattr(running, "RESEND_AFTER", timedelta(0))
    assert (str(run.pk) in running.stuck_runs()) is lives


def test_a_worker_whose_trainer_cannot_start_leaves_the_next_try_to_others_and_no_other_worker_waits(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:  # and a message that was heard ends it
            TRAINER.began = True

    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    TRAINER.command = [sys.executable, "-c", f"input(); {DIES}"]
    assert running.work_on(str(run.pk))
    running.stand_back()
    assert len(slept) == 3

    TRAINER.command = [sys.executable, "-c", "input(); print('{\"attempt\": 1}'); raise SystemExit(1)"]
    running.work_on(str(run.pk))
    running.stand_back()
    assert len(slept) == 3


@pytest.mark.parametrize("compares", [True, False])
def test_a_trainer_that_cannot_start_uses_up_no_tries_while_another_worker_compares(
    compares: bool, run: TrainingRun
) -> None:
    beat = timezone.now() - (timedelta(0) if compares else 2 * jobs.STUCK_AFTER)
    Job.objects.create(project=run.project, kind="bake_off", actor="bake_off", state="running", heartbeat_at=beat)
    job = Job.objects.create(project=run.project, kind="bake_off", actor="bake_off")
    TRAINER.command = [sys.executable, "-c", f"input(); {DIES}"]

    assert running.work_on(str(run.pk)) is running.bake_off_on(str(job.pk)) is not compares

    run.refresh_from_db()
    job.refresh_from_db()
    assert (run.attempts, job.attempts) == ((0, 0) if compares else (1, 1))


def test_a_worker_whose_trainer_cannot_start_leaves_the_comparison_to_others(
    run: TrainingRun, run_actors: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the message comes back, whoever is free may take it: this worker only after it has stood back."""
    services.cancel_run(run=run)
    run_actors()
    stood: list[int] = []
    monkeypatch.setattr(running, "stand_back", lambda: stood.append(1))
    TRAINER.command = [sys.executable, "-c", f"input(); {DIES}"]
    job = jobs.start(project=run.project, kind="bake_off", arguments={}, requested_by=None, actor=actors.bake_off)

    run_actors(limit=10)

    job.refresh_from_db()
    assert (job.state, job.attempts, len(stood)) == ("queued", jobs.MOST_ATTEMPTS, jobs.MOST_ATTEMPTS - 1)


def test_a_trainer_that_cannot_even_start_fails_the_comparison_after_some_tries(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "UNSENT_AFTER", timedelta(0))
    job = Job.objects.create(project=run.project, kind="bake_off", actor="bake_off")
    TRAINER.command = [sys.executable, "-c", f"input(); {DIES}"]

    for _sweep in range(jobs.MOST_ATTEMPTS):
        running.bake_off_on(str(job.pk))
        jobs.requeue_stuck()

    job.refresh_from_db()
    assert (job.state, job.attempts) == ("failed", jobs.MOST_ATTEMPTS)
    assert "log" in job.message
