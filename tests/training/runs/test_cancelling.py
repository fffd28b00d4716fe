"""A run that somebody ends, or whose project goes, before it is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from labeling.models import Project
from tests.training.drawing import add_image, draw, label
from tests.training.runs.test_running import train
from training import actors, services
from training.models import ModelVersion, TrainingPolicy, TrainingRun
from training.runs import pipeline, progress, running
from training.runs.stages.work import Work
from training.versions.gate import Verdict


def test_a_cancel_is_noticed_and_leaves_nothing(project: Project, run_actors: Callable[[], int]) -> None:
    run = services.request_run(project=project, cause="person")
    TrainingRun.objects.filter(pk=run.pk).update(cancel_requested=True)

    run_actors()

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert not ModelVersion.objects.exists()
    assert not running.folder_of(run).exists()
    assert services.request_run(project=project, cause="person").state == "queued"


def test_a_cancel_while_the_version_is_filed_is_the_last_word(
    project: Project, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = pipeline.decide

    def cancelled_meanwhile(work: Work) -> Verdict:
        verdict = decide(work)
        services.cancel_run(run=work.run)
        return verdict

    monkeypatch.setattr(pipeline, "decide", cancelled_meanwhile)
    run = train(project, run_actors)

    assert run.state == "cancelled"
    assert not ModelVersion.objects.exists()
    assert not running.folder_of(run).exists()


def test_a_run_whose_project_is_deleted_ends_at_its_next_word_and_without_a_failure(
    project: Project, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It trained to the end, for hours where it is a large one, and left a traceback in the operator's log."""
    decide = pipeline.decide

    def deleted_meanwhile(work: Work) -> Verdict:
        verdict = decide(work)
        Project.objects.filter(pk=project.pk).update(deleted_at=timezone.now())
        return verdict

    monkeypatch.setattr(pipeline, "decide", deleted_meanwhile)
    run = train(project, run_actors)

    assert run.state == "cancelled"
    assert not ModelVersion.objects.exists()
    assert "failed" not in caplog.text
    TrainingRun.objects.update(state="running", cancel_requested=False)
    with pytest.raises(progress.Cancelled):
        progress.Reporter(run).flush()


def test_a_cancelled_run_is_not_started_again_before_enough_is_new(
    project: Project, run_actors: Callable[[], int]
) -> None:
    services.set_policy(project=project, changes={"quiet_seconds": 0})
    actors.check_due()
    services.cancel_run(run=TrainingRun.objects.get())
    run_actors()

    actors.check_due()

    assert TrainingRun.objects.get().state == "cancelled"
    assert TrainingPolicy.objects.get(project=project).status == "Nothing is new since the last run."
    for seed in range(100, 120):
        label(add_image(project, draw("circle", seed)), "circle")
    actors.check_due()
    assert TrainingRun.objects.filter(state="queued", cause="new_labels").exists()
