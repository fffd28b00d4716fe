"""Whether a version may answer in bf16 is measured when it is checked, on the pictures that its run never saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labeling.models import Project
from tests.training.drawing import labeled_project
from training import services
from training.features import embedding
from training.learning import precision
from training.models import ModelVersion, SnapshotItem


@pytest.fixture
def on_a_processor_with_bf16(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.INFERENCE_PRECISION = "auto"
    monkeypatch.setattr(precision, "has_bf16", lambda: True)


def trained(project: Project, run_actors: Callable[[], int]) -> ModelVersion:
    run = services.request_run(project=project, cause="person")
    run_actors()
    run.refresh_from_db()
    assert run.state == "succeeded", run.failure
    return ModelVersion.objects.get(run=run)


def log_of(version: ModelVersion) -> str:
    return " ".join(line["message"] for line in version.run.log)


def unseen(version: ModelVersion) -> int:
    return SnapshotItem.objects.filter(snapshot=version.run.snapshot, split="test").count()


def test_the_held_out_pictures_decide_and_the_manifest_keeps_what_was_found(
    db: None, on_a_processor_with_bf16: None, run_actors: Callable[[], int]
) -> None:
    version = trained(labeled_project(count=200), run_actors)

    found = version.manifest["precision"]
    assert found["count"] == unseen(version) >= precision.LEAST
    # What is measured anew from the pictures is what the run has measured: labels and pictures belong together.
    assert found["accuracy"] == pytest.approx(1 - version.metrics["top1_error"])
    assert found["serve"] in {"bf16", "f32"}
    assert found["because"] in log_of(version)


def test_few_held_out_pictures_keep_f32_and_say_so(
    project: Project, on_a_processor_with_bf16: None, run_actors: Callable[[], int]
) -> None:
    version = trained(project, run_actors)

    assert unseen(version) < precision.LEAST
    assert version.manifest["precision"]["serve"] == "f32"
    assert f"only {unseen(version)} pictures to measure on" in log_of(version)


def test_a_picture_that_cannot_be_read_any_more_leaves_the_version_unmeasured_and_exact(
    project: Project, on_a_processor_with_bf16: None, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_less(pictures: Any, size: int) -> np.ndarray:
        return read(pictures, size)[1:]

    read = embedding.pixels_of
    monkeypatch.setattr(embedding, "pixels_of", one_less)

    assert "precision" not in trained(project, run_actors).manifest


@pytest.mark.parametrize(("setting", "able"), [("f32", True), ("auto", False)])
def test_nothing_is_measured_where_it_could_not_be_served(
    project: Project, run_actors: Callable[[], int], settings: Any, monkeypatch: pytest.MonkeyPatch,
    setting: str, able: bool,
) -> None:  # fmt: skip
    settings.INFERENCE_PRECISION = setting
    monkeypatch.setattr(precision, "has_bf16", lambda: able)

    assert "precision" not in trained(project, run_actors).manifest
