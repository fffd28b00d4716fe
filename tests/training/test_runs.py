from __future__ import annotations

from collections.abc import Callable

from labeling.models import Project
from training import services
from training.models import ModelVersion, TrainingRun


def test_a_run_goes_from_labels_to_a_champion(project: Project, run_actors: Callable[[], int]) -> None:
    run = services.request_run(project=project, cause="person")
    run_actors()

    run.refresh_from_db()
    assert run.state == "succeeded", run.failure
    version = ModelVersion.objects.get(run=run)
    assert version.alias == "champion"
    assert version.metrics["top1"] > 0.6
    assert run.history["loss"]
    assert TrainingRun.objects.count() == 1
