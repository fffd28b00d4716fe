"""What a comparison says of its candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labeling.jobs import Report
from labeling.models import Job, Project
from training.models import TrainingPolicy
from training.runs.bakeoff import MOST_TRIES, folder_of, latency_of, measure_all, run_of
from training.runs.stages.work import Items, Work
from training.snapshots.freezing import freeze_snapshot


def test_a_tuned_candidate_is_as_quick_as_the_runtime_that_would_serve_it(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4, 4, 3))
    tail = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs)))
    nothing: Any = None
    work = Work(nothing, nothing, tmp_path, Items([], [], *[np.empty(0)] * 4), ["a", "b"])
    work.tail, work.rows = tail, lambda places: np.ones((len(places), 4, 4, 3), np.float32)
    asked: list[int] = []
    work.predict = lambda rows: np.zeros((asked.append(len(rows)) or len(rows), 2))  # type: ignore[func-returns-value]

    assert latency_of(work)["latency"] > 0
    assert not asked


@pytest.mark.parametrize("name", ["soft_labels", "mirror"])
def test_candidates_learn_as_the_projects_runs_do(name: str, project: Project) -> None:
    plain = {"backbone": "crowdtune_small", "recipe": "feature_extraction", "augmentation": True}
    snapshot = freeze_snapshot(project=project)
    assert run_of(project, snapshot, plain).options[name]
    TrainingPolicy.objects.create(project=project, **{name: False})
    assert not run_of(project, snapshot, plain).options[name]


def test_a_candidate_that_fails_or_ends_the_process_again_and_again_leaves_the_others_theirs(project: Project) -> None:
    plain = {"backbone": "crowdtune_small", "recipe": "feature_extraction", "augmentation": False}
    job = Job.objects.create(
        project=project,
        kind="bake_off",
        state="running",
        attempts=1 + MOST_TRIES,
        arguments={
            "snapshot": freeze_snapshot(project=project).pk,
            "candidates": [plain, plain, plain | {"augmentation": True}],
        },
        result={"begun": {"0": MOST_TRIES}},
    )
    (folder_of(job) / "1" / "head.json").mkdir(parents=True)  # where a file is to be written

    report = Report(job)
    found = measure_all(job, report)["rows"]

    assert "ended 2 times" in found[0]["failure"]
    assert "IsADirectoryError" in found[1]["failure"]
    assert [row["top1_error"] is None for row in found] == [True, True, False]
    assert found[2]["winner"]
    assert "begun" not in report.result
    job.refresh_from_db()
    assert job.message == "Crowdtune small augmented (3 of 3)"  # as the table calls it: two may differ by recipe alone
