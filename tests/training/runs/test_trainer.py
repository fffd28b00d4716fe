"""The trainer process: real children, real signals, a real database that they both see."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.training.drawing import labeled_project
from training import actors, services
from training.models import ModelVersion, TrainingRun
from training.runs import running
from training.runs.trainer import TRAINER, ChildDied, Trainer, database_url

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_process")]


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


def test_a_run_killed_while_the_last_block_is_retrained_goes_on_after_the_saved_epoch(
    cut_trunk_here: None, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    """To the same weights as without a kill, as the tests of the loop itself see."""
    wishes: Any = {"recipe": "fine_tuning", "options": {"epochs": 3}}
    tuning = services.request_run(project=labeled_project("shapes", count=110), cause="person", **wishes)
    struck_in("epoch,tune", signal.SIGKILL, tmp_path)

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


def test_a_crash_in_native_code_fails_the_run_and_not_the_worker(
    run: TrainingRun, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    struck_in("fit", signal.SIGSEGV, tmp_path)

    run_actors()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("failed", 1)
    assert "SIGSEGV" in run.failure
    assert run.advice


def test_an_error_that_ends_the_trainer_is_not_taken_for_a_crash_of_native_code() -> None:
    with pytest.raises(ChildDied) as died:
        TRAINER.call("dance", "what it cannot")
    assert died.value.how == "exit status 1"


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


def test_a_run_killed_again_and_again_fails_with_advice(run: TrainingRun, caplog: pytest.LogCaptureFixture) -> None:
    for attempt in range(1, running.MAX_ATTEMPTS + 1):
        claimed = running.claim(str(run.pk))
        assert claimed is not None
        again = running.died(str(run.pk), ChildDied(-signal.SIGKILL), claimed.attempts)
        assert again is (attempt < running.MAX_ATTEMPTS)
        assert f"ended with SIGKILL in attempt {attempt} of the run {run.pk}" in caplog.text

    run.refresh_from_db()
    assert run.state == "failed"
    assert "memory" in run.advice


def test_the_trainer_stays_warm_between_runs_and_ends_when_the_worker_goes(
    run: TrainingRun, run_actors: Callable[[], int]
) -> None:
    run_actors()
    first = TRAINER._child
    second = services.request_run(project=labeled_project("more", count=40), cause="person")
    run_actors()
    second.refresh_from_db()

    assert second.state == "succeeded", second.failure
    assert first is not None
    assert first.stdin is not None
    assert TRAINER._child is first

    first.stdin.close()

    assert first.wait(timeout=300) == 3


def test_a_child_that_died_between_two_calls_leaves_no_open_pipes() -> None:
    trainer = Trainer([sys.executable, "-c", "pass"])
    trainer._ready_child()
    dead = trainer._child
    assert dead is not None
    dead.wait(timeout=300)

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
