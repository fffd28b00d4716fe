"""What the three-stage box workflow has found goes out, and into another project of it, which asks nobody about it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling.export import FORMATS
from labeling.models import Assignment, Consensus, Gold, Job, Project, Task
from tests.labeling.collecting.test_workflow import BOX, OTHER, answer
from tests.labeling.conftest import claim, client, person
from tests.labeling.services.test_exports import export

pytestmark = pytest.mark.django_db(transaction=True)
STAGED = {"categories": ["cat"], "workflow": "three_stage_boxes", "access": "open", "judgments_min": 1}


@pytest.fixture
def covered(make_project: Callable[..., Project]) -> Project:
    """One image, of which two boxes were drawn and verified."""
    project = make_project(images=1, judgments_max=1, **STAGED)
    drawer, judge, other = (person(name) for name in ("drawer", "judge", "other"))
    for box, is_all in ((BOX, False), (OTHER, True)):
        answer(project, drawer, {"box": [box]})
        answer(project, judge, {"good": True})
        answer(project, other, {"covered": is_all})
    return project


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "jsonl", "csv", "parquet"])
def test_all_boxes_of_an_image_come_back_into_the_three_stages(form, covered, make_project, run_actors):
    _job, data = export(covered, form, run_actors)
    target = make_project(images=1, name="Target", gold_rate=1.0, **STAGED)
    asked = claim(target, person("drawer of before"))
    file = SimpleUploadedFile(f"export.{FORMATS[form].extension}", data)
    body = {"file": file, "format": form, "as": "gold"}
    api = client(target.owner)
    job = api.post(f"/api/v1/projects/{target.slug}/labels/import/", body, format="multipart").json()["job"]
    run_actors()
    job = Job.objects.get(pk=job)
    assert (job.state, job.result["imported"], job.result.get("refused", 0)) == ("succeeded", 1, 0), job.errors
    later = {"jsonl": 2, "csv": 2, "parquet": 2}.get(form, 0)  # verdicts of the stages, which follow from the boxes
    assert [error["code"] for error in job.errors] == ["passed_over"] * later

    label = Consensus.objects.get(project=target, question__kind="boxes")
    assert [item["box"] for item in label.answer] == [pytest.approx(box["box"], abs=1e-3) for box in (BOX, OTHER)]
    assert (label.is_final, label.confidence) == (True, 1.0)
    assert not Task.objects.filter(project=target, state="open").exists()
    assert Assignment.objects.get(pk=asked.pk).state == Assignment.State.RELEASED
    golds = Gold.objects.filter(task__project=target)
    assert {gold.task.stage.partition(":gold")[0] for gold in golds} == {"quality", "coverage"}
    assert Project.objects.get(pk=target.pk).retired_count == Task.objects.filter(project=target).count()
    _job, again = export(target, form, run_actors)
    if form in {"yolo", "voc"}:
        with zipfile.ZipFile(io.BytesIO(data)) as one, zipfile.ZipFile(io.BytesIO(again)) as two:
            assert {n: one.read(n) for n in one.namelist()} == {n: two.read(n) for n in two.namelist()}
