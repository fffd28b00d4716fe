"""What a run says of itself, as people see it while it works."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from labeling.models import Project
from training import services
from training.models import TrainingRun
from training.runs import progress
from training.runs.progress import Reporter


@pytest.fixture
def reporter(project: Project, monkeypatch: pytest.MonkeyPatch) -> Reporter:
    """Of a run that is under way; every word is written at once, and a second passes with each look at the clock."""
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    seconds = iter(range(10_000))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    run = services.request_run(project=project, cause="person")
    TrainingRun.objects.update(state="running")
    return Reporter(run)


def say(reporter: Reporter, epoch: int, epochs: int) -> TrainingRun:
    reporter.epoch({"epoch": epoch, "epochs": epochs, "curves": {"loss": [1 / n for n in range(1, epoch + 1)]}})
    return TrainingRun.objects.get()


def test_the_curves_of_the_last_block_begin_anew_behind_those_of_the_classifier(reporter: Reporter) -> None:
    reporter.stage("fit", "", span=(0.5, 0.55))
    for epoch in (1, 2, 3):
        say(reporter, epoch, 200)
    reporter.stage("tune", "", span=(0.55, 0.85))
    assert (TrainingRun.objects.get().epoch, TrainingRun.objects.get().epochs) == (0, 0)

    run = say(reporter, 1, 10)

    assert (run.epoch, run.epochs, run.history["loss"]) == (1, 10, [1.0])


def test_progress_and_time_left_follow_the_epochs_and_forget_what_came_before_them(reporter: Reporter) -> None:
    reporter.stage("tune", "", span=(0.55, 0.85))
    for done in (32, 64):
        reporter.images(done, 64, span=(0.55, 0.65))
    for _minute in range(60):  # a network is exported, say
        progress.time.monotonic()

    runs = [say(reporter, epoch, 10) for epoch in (1, 2, 3, 10)]

    assert [round(run.progress, 2) for run in runs] == [0.67, 0.69, 0.71, 0.85]
    assert runs[0].seconds_left is None  # nobody knows yet
    assert [0 < (run.seconds_left or 0) < 40 for run in runs[1:]] == [True, True, False]
    assert runs[3].seconds_left == 0
