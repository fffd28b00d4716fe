"""Deleted projects and ended runs take what training kept for them, and nobody else's; a mistake costs no model."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from labeling import services as labeling
from labeling.models import Project
from tests.training.drawing import labeled_project
from training import actors, leftovers, services
from training.features import insights
from training.models import ModelVersion, ProjectFiles, TrainingRun
from training.runs import bakeoff, running


@pytest.fixture(autouse=True)
def nothing_of_other_tests() -> None:
    """Their killed runs leave checkpoints, as they should, and what was seen in images of a database that is empty."""
    for name in ("runs", "insights"):
        shutil.rmtree(settings.DATA_DIR / name, ignore_errors=True)


def trained(project: Project, run_actors: Callable[[], int]) -> Path:
    """A version of the project; its folder."""
    services.request_run(project=project, cause="person")
    run_actors()
    return settings.DATA_DIR / ModelVersion.objects.get(project=project).artifact


def test_a_deleted_project_takes_its_versions_and_its_own_backbones(
    project: Project, run_actors: Callable[[], int]
) -> None:
    mine, theirs = trained(project, run_actors), trained(labeled_project("others", count=40), run_actors)
    own = [settings.DATA_DIR / "backbones" / f"champion-{number}-1" for number in (project.pk, f"{project.pk}0")]
    for folder in own:
        folder.mkdir(parents=True)
    labeling.delete_project(project=project)
    assert mine.exists()  # the answer does not wait for it

    actors.sweep_leftovers.send()
    run_actors()

    assert (mine.parent.exists(), theirs.exists()) == (False, True)
    assert [folder.exists() for folder in own] == [False, True]
    assert ProjectFiles.objects.get().project_id == ModelVersion.objects.get().project_id
    own[1].rmdir()


def test_a_data_folder_beside_another_database_keeps_its_models(db: None) -> None:
    folder = settings.DATA_DIR / "models" / "999999" / "1"
    folder.mkdir(parents=True)

    assert leftovers.sweep() == 0
    assert folder.exists()
    folder.rmdir()


def test_what_cannot_be_deleted_now_is_tried_again(
    project: Project, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trained(project, run_actors)
    labeling.delete_project(project=project)
    with monkeypatch.context() as patched:

        def refuse(path: Path) -> None:
            raise PermissionError(path)

        patched.setattr(leftovers.shutil, "rmtree", refuse)
        assert leftovers.sweep() == 0
    assert leftovers.sweep() == 1
    assert not folder.exists()


def test_checkpoints_stay_a_day_and_as_long_as_their_run_is_under_way(project: Project) -> None:
    run = services.request_run(project=project, cause="person")
    kept, gone = running.folder_of(run), settings.DATA_DIR / "runs" / "bake-off-0"
    for folder in (kept, gone):
        folder.mkdir(parents=True)
    assert leftovers.sweep() == 0
    for folder in (kept, gone):
        os.utime(folder, (time.time() - leftovers.DAY - 60,) * 2)

    assert leftovers.sweep() == 1
    assert (kept.exists(), gone.exists()) == (True, False)
    TrainingRun.objects.update(state="failed")
    assert leftovers.sweep() == 1
    assert not kept.exists()


def test_a_comparison_leaves_no_checkpoints(project: Project, run_actors: Callable[[], int]) -> None:
    candidates: Any = [{"backbone": "crowdtune_small", "recipe": "feature_extraction"}]
    job = services.start_bake_off(project=project, candidates=candidates, requested_by=project.owner)
    run_actors()
    job.refresh_from_db()
    assert job.state == "succeeded", job.message
    assert not bakeoff.folder_of(job).exists()


def test_what_a_killed_process_left_half_written_goes_after_a_day(db: None) -> None:
    names = ("features/a-trunk/.5e6.tmp", "trunks/.a-trunk.5e6.tmp/trunk.bin", "models/0/1/.manifest.json.5e6.tmp")
    half = [settings.DATA_DIR / name for name in names]
    for file in half:
        file.parent.mkdir(parents=True)
        file.touch()
    segment = half[0].with_name("000000000001-00000001-5e6.seg")
    segment.touch()
    assert leftovers.sweep() == 0
    for path in (*half, half[1].parent, segment):
        os.utime(path, (time.time() - leftovers.DAY - 60,) * 2)

    assert leftovers.sweep() == 3
    assert not half[2].exists()
    assert (half[0].exists(), half[1].parent.exists(), segment.exists()) == (False, False, True)
    shutil.rmtree(segment.parent)
    shutil.rmtree(settings.DATA_DIR / "models/0")


def test_what_layers_saw_in_an_image_goes_with_the_image(project: Project, run_actors: Callable[[], int]) -> None:
    trained(project, run_actors)
    version = ModelVersion.objects.get()
    gone, kept = project.images.order_by("id")[:2]
    folders = []
    for image in (gone, kept):
        assert insights.layer_pictures(version, image)
        folders += list(insights.pictures_folder().glob(f"*/{image.sha256}/{version.pk}"))
    gone.delete()

    assert leftovers.sweep() == 1
    assert [folder.exists() for folder in folders] == [False, True]
    version.delete()
    assert leftovers.sweep() == 1
    assert not folders[1].parent.exists()
