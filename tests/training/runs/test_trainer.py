"""The trainer process: real children, real signals, a real database that they both see."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from labeling import jobs
from labeling.models import Job
from tests.training.drawing import labeled_project
from training import actors, services
from training.models import ModelVersion, TrainingRun
from training.runs import running
from training.runs.trainer import TRAINER, ChildDied, Trainer, database_url

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def own_process(settings: Any, transactional_db: None) -> Iterator[None]:
    settings.TRAINER_PROCESS = True
    settings.MEDIA_ROOT = str(settings.DATA_DIR / "media")  # where a process that reads the environment looks
    plain, before = TRAINER.command, sessions()
    yield
    TRAINER.command = plain
    TRAINER.close()
    wait_for_its_sessions(before)


def sessions() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {pid for (pid,) in cursor.fetchall()}


def wait_for_its_sessions(before: set[int]) -> None:
    """The server takes a moment to see that a killed client is gone; until then its database cannot be dropped."""
    for _look in range(100):
        if sessions() <= before | {connection.connection.info.backend_pid}:
            return
        time.sleep(0.1)


@pytest.fixture
def run(run_actors: Callable[[], int]) -> TrainingRun:
    return services.request_run(project=labeled_project("shapes", count=40), cause="person")


def struck_in(stages: str, number: int, folder: Path) -> None:
    """A trainer process sends itself the signal when it enters one of the stages, once for each of them."""
    TRAINER.command = [sys.executable, "-m", "tests.training.struck_trainer", stages, str(int(number)), str(folder)]


@pytest.mark.parametrize(("stages", "attempts"), [("features,fit,evaluate", 4), ("export,verify,registered", 3)])
def test_a_run_killed_in_every_stage_goes_on_and_ends_once(
    stages: str, attempts: int, run: TrainingRun, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    struck_in(stages, signal.SIGKILL, tmp_path)

    run_actors()

    run.refresh_from_db()
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set(stages.split(","))
    assert run.state == "succeeded", run.failure
    assert run.attempts == attempts
    assert ModelVersion.objects.count() == 1
    assert ModelVersion.objects.get().alias == "champion"
    assert json.dumps(run.metrics) == json.dumps(undisturbed(run, run_actors).metrics)


def undisturbed(run: TrainingRun, run_actors: Callable[[], int]) -> TrainingRun:
    """The same snapshot, recipe and seed once more, and nobody sends a signal any more."""
    wishes: Any = {"recipe": run.recipe, "options": run.options}
    again = services.request_run(project=run.project, cause="person", **wishes)
    run_actors()
    again.refresh_from_db()
    assert (again.snapshot, again.attempts) == (run.snapshot, 1)
    return again


@pytest.fixture
def tuning(run_actors: Callable[[], int]) -> TrainingRun:
    """Enough images to retrain the last block, for three epochs."""
    wishes: Any = {"recipe": "fine_tuning", "options": {"epochs": 3}}
    return services.request_run(project=labeled_project("shapes", count=110), cause="person", **wishes)


def test_a_run_killed_while_the_last_block_is_retrained_goes_on_after_the_saved_epoch(
    tuning: TrainingRun, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    struck_in("tune,epoch", signal.SIGKILL, tmp_path)

    run_actors()

    tuning.refresh_from_db()
    assert tuning.state == "succeeded", tuning.failure
    assert (tuning.attempts, tuning.recipe) == (3, "fine_tuning")
    # The first by one process, the rest by another; then as many as were best, on the validation part too.
    best = ModelVersion.objects.get().metrics["fit"]["best_epoch"]
    expected = ["1", "2", "3", *["1", "2", "3"][:best]]
    assert (tmp_path / "epochs").read_text().split() == expected
    assert len(tuning.history["val_loss"]) == 3
    assert "tail.xml" in ModelVersion.objects.get().manifest["files"]
    assert json.dumps(tuning.metrics) == json.dumps(undisturbed(tuning, run_actors).metrics)


def test_a_run_cancelled_while_the_last_block_is_retrained_ends_there(
    tuning: TrainingRun, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    struck_in("epoch", 0, tmp_path)

    run_actors()

    tuning.refresh_from_db()
    assert (tuning.state, tuning.stage, tuning.attempts) == ("cancelled", "tune", 1)
    assert (tmp_path / "epochs").read_text().split() == ["1"]
    assert not ModelVersion.objects.exists()
    assert not running.folder_of(tuning).exists()


def test_a_crash_in_native_code_fails_the_run_and_not_the_worker(
    run: TrainingRun, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    struck_in("fit", signal.SIGSEGV, tmp_path)

    run_actors()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("failed", 1)
    assert "SIGSEGV" in run.failure
    assert run.advice


def test_a_run_goes_on_after_the_database_was_restarted(
    run: TrainingRun, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    struck_in("fit,export", -1, tmp_path)

    for _sweep in range(3):
        run_actors()
        actors.requeue_stuck_runs.send()
    run_actors()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 3), run.failure


def test_a_run_killed_again_and_again_fails_with_advice(run: TrainingRun) -> None:
    for attempt in range(1, running.MAX_ATTEMPTS + 1):
        claimed = running.claim(str(run.pk))
        assert claimed is not None
        again = running.died(str(run.pk), ChildDied(-signal.SIGKILL), claimed.attempts)
        assert again is (attempt < running.MAX_ATTEMPTS)

    run.refresh_from_db()
    assert run.state == "failed"
    assert "memory" in run.advice


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


def test_the_trainer_stays_warm_between_runs(run: TrainingRun, run_actors: Callable[[], int]) -> None:
    run_actors()
    first = TRAINER._child
    second = services.request_run(project=labeled_project("more", count=40), cause="person")
    run_actors()
    second.refresh_from_db()

    assert second.state == "succeeded", second.failure
    assert first is not None
    assert TRAINER._child is first


def test_the_child_ends_when_the_worker_goes(settings: Any) -> None:
    TRAINER._ready_child()
    child = TRAINER._child
    assert child is not None
    assert child.stdin is not None

    child.stdin.close()

    assert child.wait(timeout=60) == 3


def test_a_child_that_died_between_two_calls_leaves_no_open_pipes() -> None:
    trainer = Trainer([sys.executable, "-c", "pass"])
    trainer._ready_child()
    dead = trainer._child
    assert dead is not None
    dead.wait(timeout=60)

    trainer._ready_child()

    assert trainer._child is not dead
    assert dead.stdin is not None
    assert dead.stdout is not None
    assert dead.stdin.closed
    assert dead.stdout.closed
    trainer.close()


def test_a_child_that_leaves_after_its_answer_leaves_no_open_pipes() -> None:
    trainer = Trainer([sys.executable, "-c", "input(); print('{\"leaving\": true}')"])
    trainer._ready_child()
    gone = trainer._child
    assert gone is not None

    assert trainer.call("run", "1") == {"leaving": True}

    assert trainer._child is not gone
    assert gone.stdin is not None
    assert gone.stdout is not None
    assert gone.stdin.closed
    assert gone.stdout.closed
    trainer.close()


class Telling(Trainer):
    """Makes a file before it sends a message."""

    def _send(self, child: Any, message: dict[str, Any]) -> None:
        Path(self.command[-1]).touch()
        super()._send(child, message)


DEAF = """
import os, sys, time
os.close(0)
print(flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
os._exit(3)
"""


def test_a_child_that_dies_before_it_hears_the_message_is_said_to_have_died(tmp_path: Path) -> None:
    trainer = Telling([sys.executable, "-c", DEAF, str(tmp_path / "it is told")])
    trainer._ready_child()
    child = trainer._child
    assert child is not None
    assert child.stdout is not None
    child.stdout.readline()

    with pytest.raises(ChildDied, match="3"):
        trainer.call("run", "1")

    assert trainer._child is None
    assert child.stdout.closed


def test_the_database_address_survives_the_way_to_the_child(tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "NAME": "a b",
        "USER": "u",
        "PASSWORD": "p@ss/",
        "HOST": "db",
        "PORT": "5433",
        "OPTIONS": {},
    }

    assert database_url(entry) == "postgresql://u:p%40ss%2F@db:5433/a%20b?"
    assert "host=" in database_url(connection.settings_dict)
