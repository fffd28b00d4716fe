"""What a person is told of the error that ended a run, or made it wait."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from django.db import OperationalError, connection
from django.utils import timezone

from labeling.models import Project
from training import services
from training.errors import raise_if_store_fails
from training.learning.errors import LearningError
from training.models import TrainingRun
from training.runs import pipeline, registry, running


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_or_a_share_of_one_that_is_full_is_told_as_such(number: int) -> None:
    found = running.explain(OSError(number, "No"))
    assert found.message.startswith("The disk is full")
    assert "Free some space" in found.advice
    assert not running.explain(OSError(errno.EIO, "No")).message.startswith("The disk is full")


def test_a_folder_that_may_not_be_written_is_named_with_who_can_mend_it() -> None:
    found = running.explain(OSError(errno.EROFS, "Read-only file system", "/data/runs/1"))
    assert found.message.startswith("The store of files refuses this: [Errno 30] Read-only file system: '/data/runs/1'")
    assert "Whoever runs this platform" in found.advice
    assert "report it" in running.explain(OSError(errno.EIO, "No")).advice


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Exception from src/inference/src/dev/plugin.cpp:54:\nstd::bad_alloc\n"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 34359738368 bytes."),
        type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor"),  # TensorFlow's
    ],
)
def test_want_of_memory_is_told_whichever_library_says_it(error: Exception) -> None:
    failure = running.explain(error)
    assert failure.message == "The machine ran out of memory."
    assert "smaller backbone" in failure.advice


def test_a_network_whose_features_are_no_numbers_is_not_worth_another_try() -> None:
    failure = running.explain(LearningError("Some features are no numbers.", "bad_features"))

    assert "another backbone" in failure.advice


def test_models_on_a_full_volume_of_their_own_keep_no_half_copy_and_the_run_says_so_in_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, target = tmp_path / "runs" / "version", tmp_path / "models" / "1"
    made.mkdir(parents=True)
    for name in ("head.npz", "manifest.json"):
        (made / name).touch()

    def another_volume(*_paths: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def no_room(source: str, to: str, **_more: object) -> None:
        Path(to).touch()
        raise OSError(errno.ENOSPC, "No space left on device", os.fspath(source))

    monkeypatch.setattr(os, "rename", another_volume)
    monkeypatch.setattr(shutil, "copyfile", no_room)
    with pytest.raises(shutil.Error) as refused:
        registry._file(made, target)

    assert not target.exists()
    assert (made / "head.npz").exists()
    message = running.explain(refused.value).message
    assert message.startswith("The disk is full: [Errno 28] No space left on device")
    assert message.count(str(tmp_path)) == 1


def test_a_run_whose_store_was_away_goes_on_in_a_while_and_fails_at_its_last_attempt(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_stages: Any) -> None:
        raise_if_store_fails(EndpointConnectionError(endpoint_url="http://store"))

    monkeypatch.setattr(pipeline, "go_through", away)
    run = services.request_run(project=project, cause="person")
    for attempt in range(1, running.MAX_ATTEMPTS):
        assert running.execute(str(run.pk)) == "lost"
        run.refresh_from_db()
        assert (run.state, run.attempts, run.failure) == ("queued", attempt, "")
        assert run.log[-1]["message"].startswith("The store of files did not answer.")
        assert running.stuck_runs() == [], "at once"
        TrainingRun.objects.update(heartbeat_at=timezone.now() - running.RESEND_AFTER * 2)
        assert running.stuck_runs() == [str(run.pk)]
    assert running.execute(str(run.pk)) == "failed"
    run.refresh_from_db()
    assert (run.failure, run.advice[:37]) == (
        "The store of files does not answer. Try again in a moment.", "Whoever runs this platform can see to",
    )  # fmt: skip


def test_a_run_that_is_cancelled_while_it_waits_for_the_store_is_not_tried_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = services.request_run(project=project, cause="person")

    def away(*_stages: Any) -> None:
        services.cancel_run(run=run)
        raise_if_store_fails(EndpointConnectionError(endpoint_url="http://store"))

    monkeypatch.setattr(pipeline, "go_through", away)
    assert running.execute(str(run.pk)) == "cancelled"
    run.refresh_from_db()
    assert (run.state, run.log[-1]["message"]) == ("cancelled", "Cancelled.")


def test_a_run_that_finds_no_room_to_write_how_it_ended_goes_on_when_there_is_some(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(execute: Any, statement: str, *rest: Any) -> Any:
        if statement.startswith("UPDATE"):
            raise OperationalError("could not extend file: No space left on device")
        return execute(statement, *rest)

    run = services.request_run(project=project, cause="person")
    with contextlib.ExitStack() as full:

        def fills_up(*_stages: Any) -> None:
            full.enter_context(connection.execute_wrapper(away))
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(pipeline, "go_through", fills_up)
        assert running.execute(str(run.pk)) == "lost"
    TrainingRun.objects.update(heartbeat_at=timezone.now() - running.STALE_AFTER * 2)
    assert running.stuck_runs() == [str(run.pk)]
