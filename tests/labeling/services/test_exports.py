"""Labels leave by a job, and come back: out of one project into another, by the API alone."""

from __future__ import annotations

import codecs
import csv
import io
import json
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling import exporting, jobs, services
from labeling.export import FORMATS
from labeling.files import storage
from labeling.importing.known import READERS, Files
from labeling.jobs import Report
from labeling.models import Consensus, Gold, Job, Judgment, Project, Task
from tests.labeling.conftest import claim, client, person, picture
from tests.labeling.importing.conftest import packed

BOXES = {"key": "cells", "kind": "boxes", "prompt": "Box each"}


def answered(project: Project, answers: list[Any], key: str) -> None:
    worker = person(f"worker-of-{project.slug}")
    services.add_member(project=project, username=worker.username, role="worker")
    by_image = dict(zip([f"{n:04d}.png" for n in range(len(answers))], answers, strict=True))
    for _ in answers:
        lease = claim(project, worker)
        answer = by_image[lease.task.image.name]
        services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={key: answer}, seconds=2)


def export(project: Project, form: str, run_actors: Callable[[], None], **options: Any) -> tuple[Job, bytes]:
    api = client(project.owner)
    started = api.post(f"/api/v1/projects/{project.slug}/exports/", {"format": form, **options}, format="json")
    assert started.status_code == 202, started.content
    run_actors()
    job = api.get(f"/api/v1/jobs/{started.json()['job']}/").json()
    assert job["state"] == "succeeded", job
    answer = api.get(job["result"]["url"])
    assert answer.status_code == 200
    return Job.objects.get(pk=job["id"]), b"".join(answer.streaming_content)


def test_an_export_lies_where_files_are_kept_and_not_where_temporary_ones_do(make_project, run_actors, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc/no room")
    project = make_project(images=1)
    job = services.start_export(project=project, into="csv", user=project.owner)
    killed = storage.parts_folder() / f"{job.pk}-of-an-attempt-before"
    killed.mkdir()
    (killed / "draft").write_bytes(b"half of it")
    run_actors()
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert not list(storage.parts_folder().iterdir())


def test_a_format_that_cannot_hold_the_project_fails_in_words(make_project, run_actors):
    project = make_project(images=1, questions=[{"key": "note", "kind": "text", "prompt": "What do you see?"}])
    job = services.start_export(project=project, into="yolo", user=project.owner)
    run_actors()
    job.refresh_from_db()
    assert (job.state, "has neither" in job.message) == ("failed", True)


def test_who_asks_twice_before_an_export_begins_gets_one(make_project, run_actors):
    project = make_project(images=1, judgments_max=1)
    answered(project, ["cat"], "category")

    def ask(form: str = "csv", who: Any = project.owner, **options: Any) -> Job:
        return services.start_export(project=project, into=form, user=who, options=options)

    first = ask(final=True)
    assert ask(final=True) == first
    others = [ask(), ask("jsonl", final=True), ask(final=True, who=person("other"))]
    assert first not in others
    jobs.cancel(job=first)
    assert ask(final=True) != first
    run_actors()
    assert ask() not in others


def test_csv_carries_answer_confidence_and_reason(make_project, run_actors):
    project = make_project(images=2, judgments_max=1)
    answered(project, ["cat", "dog"], "category")
    _job, data = export(project, "csv", run_actors)
    lines = {line["image"]: line for line in csv.DictReader(io.StringIO(data.decode(), newline=""))}
    stored = Consensus.objects.get(task__image__name="0000.png")
    assert lines["0000.png"]["answer"] == "cat"
    assert float(lines["0000.png"]["confidence"]) == pytest.approx(stored.confidence)
    assert json.loads(lines["0000.png"]["posterior"]) == stored.posterior
    assert lines["0001.png"]["retired_because"] == Task.objects.get(image__name="0001.png").retired_because


def test_an_export_tells_how_many_of_its_images_have_a_label(make_project, run_actors):
    project = make_project(images=2, judgments_max=1)
    answered(project, ["cat", "dog"], "category")
    services.add_images(project=project, images={"unseen.png": picture(7)})
    job, data = export(project, "csv", run_actors)
    assert (job.result["images"], job.result["labeled"]) == (3, 2)
    assert len(data.splitlines()) == 1 + job.result["labeled"]


@pytest.mark.parametrize("judgments", [False, True])
def test_a_csv_for_excel_begins_with_its_mark_and_comes_back_all_the_same(judgments, make_project, run_actors):
    project = make_project(images=1, judgments_max=1)
    answered(project, ["cat"], "category")
    _job, plain = export(project, "csv", run_actors, judgments=judgments)
    _job, marked = export(project, "csv", run_actors, judgments=judgments, excel=True)
    assert marked == codecs.BOM_UTF8 + plain
    target = make_project(images=1, name="Target", judgments_max=1)
    file = SimpleUploadedFile("labels.csv", marked)
    if judgments:
        services.import_judgments(project=target, file=file, user=target.owner)
    else:
        services.import_labels(project=target, file=file, form="csv", take_as="judgments", source="", user=None)
    run_actors()
    assert Judgment.objects.get(project=target).answers == {"category": "cat"}


def test_two_images_of_one_name_stay_two_files(make_project, run_actors):
    project = make_project(images=2, judgments_max=1)
    answered(project, ["cat", "cat"], "category")
    project.images.update(name="same.png")
    _job, data = export(project, "imagefolder", run_actors)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert sorted(archive.namelist()) == sorted(f"cat/{image.pk}-same.png" for image in project.images.all())


def test_an_image_that_comes_in_during_an_export_is_no_second_file_of_a_name(make_project, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 1)
    project = make_project(images=2)
    job = Job.objects.create(project=project, kind="export", state="running")
    found = []
    for row in exporting.Rows(project, exporting.header_of(project, {}), Report(job), "name")():
        found.append(row.name)
        services.add_images(project=project, images={"0000.png": picture(100 + len(found))})
    assert found == ["0000.png", "0001.png"]


@pytest.mark.parametrize(
    ("name", "written"), [("../../etc/x.png", "x.png"), ("300", "300.png"), ("a.jfif", "a.jfif.png")]
)
def test_a_name_that_climbs_out_is_tamed_and_one_that_is_no_pictures_becomes_one(
    name, written, make_project, run_actors
):
    """Who reads a folder of pictures passes over what an address calls 300 and a browser a.jfif."""
    project = make_project(images=1, judgments_max=1)
    answered(project, ["cat"], "category")
    project.images.update(name=name)
    _job, data = export(project, "imagefolder", run_actors)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [f"cat/{project.images.get().pk}-{written}"]


def test_two_names_that_a_path_cannot_tell_apart_stay_two_files(make_project, run_actors):
    project = make_project(images=2, judgments_max=1)
    answered(project, ["cat", "cat"], "category")
    for image, name in zip(project.images.order_by("pk"), ("what?.png", "what*.png"), strict=True):
        project.images.filter(pk=image.pk).update(name=name)
    _job, data = export(project, "imagefolder", run_actors)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(set(archive.namelist())) == 2


@pytest.mark.parametrize("form", ["yolo", "voc"])
def test_two_pictures_that_differ_in_their_suffix_have_two_label_files(form, make_project, run_actors):
    project = make_project(images=2, judgments_max=1, questions=[BOXES])
    answered(project, [[], []], "cells")
    for image, name in zip(project.images.order_by("pk"), ("a/x.png", "a/x.jpg"), strict=True):
        project.images.filter(pk=image.pk).update(name=name)
    _job, data = export(project, form, run_actors)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if name.startswith(("labels/", "Annotations/"))]
    assert sorted(name.rpartition("/")[2].partition(".")[0] for name in names) == sorted(
        f"{image.pk}-x" for image in project.images.all()
    )


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "jsonl", "csv", "parquet"])
def test_boxes_go_out_and_come_back_as_gold_of_another_project(form, make_project, run_actors):
    source = make_project(images=2, judgments_max=1, questions=[BOXES])
    boxes = [
        {"category": "cat", "box": [1.5, 2.0, 20.25, 10.0]}, {"category": "dog", "box": [0.0, 0.0, 40.0, 30.0]},
        {"category": "dog", "box": [3.0, 0.0, 11.0, 11.0]},  # of thirds of the height, from its edge
    ]  # fmt: skip
    answered(source, [boxes, []], "cells")
    _job, data = export(source, form, run_actors)
    target = make_project(images=2, name="Target", questions=[BOXES])
    file = SimpleUploadedFile(f"export.{FORMATS[form].extension}", data)
    body = {"file": file, "format": form, "as": "gold", "source": "experts"}
    api = client(target.owner)
    started = api.post(f"/api/v1/projects/{target.slug}/labels/import/", body, format="multipart")
    assert started.status_code == 202, started.content
    run_actors()
    job = Job.objects.get(pk=started.json()["job"])
    assert (job.state, job.errors, job.result["imported"]) == ("succeeded", [], 2)
    gold = Gold.objects.get(task__project=target, task__image__name="0000.png")
    assert [item["category"] for item in gold.answers["cells"]] == ["cat", "dog", "dog"]
    assert [item["box"] for item in gold.answers["cells"]] == [item["box"] for item in boxes]
    assert Gold.objects.get(task__project=target, task__image__name="0001.png").answers == {"cells": []}
    _job, again = export(target, form, run_actors)
    if form in {"yolo", "voc"}:
        with zipfile.ZipFile(io.BytesIO(data)) as one, zipfile.ZipFile(io.BytesIO(again)) as two:
            assert {n: one.read(n) for n in one.namelist()} == {n: two.read(n) for n in two.namelist()}


ODD = [
    "same.png", "same.png", ".hidden/what?.png", "cat/A.png", "cat/a.png", "\u00e9.png", "e\u0301.png", "v1. /aux.png",
    "\u00fc" * 290 + ".png", "\u00fc" * 290 + "2.png",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_labels_of_images_of_odd_names_come_back_to_where_they_were(form, make_project, run_actors):
    project, other = (make_project(images=len(ODD), name=name, judgments_max=1) for name in ("One", "Other"))
    images = list(project.images.order_by("pk"))[:-1]  # and nothing comes back of the one that nobody labeled
    for number, image in enumerate(images):
        answer = ("cat", "dog")[number % 2]
        services.decide_task(task=image.tasks.get(), user=project.owner, answers={"category": answer})
    for each in (project, other):
        for image, name in zip(each.images.order_by("pk"), ODD, strict=True):
            each.images.filter(pk=image.pk).update(name=name)
    said = dict(Consensus.objects.filter(project=project).values_list("task__image__sha256", "answer"))
    done, data = export(project, form, run_actors)
    assert len(data) == done.result["bytes"] > 0
    for target in (project, other):
        file = SimpleUploadedFile(f"export.{FORMATS[form].extension}", data)
        job = services.import_labels(project=target, file=file, form=form, take_as="gold", source="", user=None)
        run_actors()
        job.refresh_from_db()
        gold = Gold.objects.filter(task__project=target).values_list("task__image__sha256", "answers__category")
        assert (job.errors, dict(gold)) == ([], said)


@pytest.mark.parametrize("form", ["yolo", "voc", "imagefolder"])
def test_no_two_files_of_an_export_are_one_on_any_system(form, make_project, run_actors):
    names = [*ODD, "\u00c9.png", "cat/b.png"]
    project = make_project(images=len(names), categories=["Cat", "cat"], judgments_max=1)
    for number, (image, name) in enumerate(zip(project.images.order_by("pk"), names, strict=True)):
        answers = {"category": ("Cat", "cat")[number % 2]}
        services.decide_task(task=image.tasks.get(), user=project.owner, answers=answers)
        project.images.filter(pk=image.pk).update(name=name)
    _job, data = export(project, form, run_actors)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = archive.namelist()
    assert len({unicodedata.normalize("NFC", name).casefold() for name in files}) == len(files)
    assert not any("/." in name for name in files)
    parts = {part for name in files for part in name.split("/")}
    assert max(len(part.encode()) for part in parts) <= 255
    assert not {part for part in parts if part.startswith("aux.") or part.endswith((" ", "."))}
    assert len({name.split("/")[0].casefold() for name in files if "/" in name}) == (1 if form == "yolo" else 2)
    alone = f"{image.pk}-b" if form == "imagefolder" else "b"  # which no other is like; it came in another folder
    assert sum(name.rpartition("/")[2].partition(".")[0] == alone for name in files) == 1


def test_folders_that_differ_in_cases_alone_are_the_categories_that_are_called_so(make_project, run_actors):
    project = make_project(images=3, categories=["Cat", "cat", "cat_2"])
    data = packed({"Cat/0000.png": b"", "cat/0001.png": b"", "cat_2/0002.png": b""})
    file = SimpleUploadedFile("pets.zip", data)
    services.import_labels(project=project, file=file, form="imagefolder", take_as="gold", source="", user=None)
    run_actors()
    gold = Gold.objects.filter(task__project=project).values_list("task__image__name", "answers__category")
    assert dict(gold) == {"0000.png": "Cat", "0001.png": "cat", "0002.png": "cat_2"}


def test_image_folders_come_in_with_their_pictures_and_go_out_as_they_were(make_project, run_actors):
    source = make_project(images=2, judgments_max=1)
    source.images.filter(name="0001.png").update(name="sub/0001.png")
    answered_as = {"0000.png": "cat", "sub/0001.png": "dog"}
    worker = person("wanda")
    services.add_member(project=source, username=worker.username, role="worker")
    for _ in answered_as:
        lease = services.claim_assignment(project=source, worker=worker)
        answers = {"category": answered_as[lease.task.image.name]}
        services.submit_judgment(assignment_id=lease.pk, worker=worker, answers=answers, seconds=2)
    _job, data = export(source, "imagefolder", run_actors)
    target = make_project(images=0, name="Target")
    services.import_images(project=target, user=target.owner, archive=SimpleUploadedFile("pets.zip", data))
    run_actors()
    file = SimpleUploadedFile("pets.zip", data)
    services.import_labels(project=target, file=file, form="imagefolder", take_as="gold", source="", user=None)
    run_actors()
    _job, again = export(target, "imagefolder", run_actors)
    with zipfile.ZipFile(io.BytesIO(data)) as one, zipfile.ZipFile(io.BytesIO(again)) as two:
        assert {n: one.read(n) for n in one.namelist()} == {n: two.read(n) for n in two.namelist()}
        nested = source.images.get(name="sub/0001.png")
        assert sorted(one.namelist()) == ["cat/0000.png", f"dog/{nested.pk}-0001.png"]


def test_the_category_is_the_folder_that_is_called_so(make_project, run_actors):
    project = make_project(images=2)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pets/train/cat/0000.png", b"")
        archive.writestr("pets/val/dog/0001.png", b"")
    file = SimpleUploadedFile("pets.zip", buffer.getvalue())
    services.import_labels(project=project, file=file, form="imagefolder", take_as="gold", source="", user=None)
    run_actors()
    gold = Gold.objects.filter(task__project=project).values_list("task__image__name", "answers")
    assert dict(gold) == {"0000.png": {"category": "cat"}, "0001.png": {"category": "dog"}}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_judgments_go_out_and_come_back_with_their_workers(form, make_project, run_actors):
    source = make_project(images=2, judgments_max=1)
    answered(source, ["cat", "dog"], "category")
    _job, data = export(source, "csv", run_actors, judgments=True)
    expected = data
    if form == "jsonl":
        _job, data = export(source, form, run_actors)
    target = make_project(images=2, name="Target", judgments_max=1)
    services.import_judgments(project=target, file=SimpleUploadedFile("said.csv", data), user=target.owner)
    run_actors()
    found = Judgment.objects.filter(project=target).values_list("task__image__name", "answers", "source")
    assert sorted(found) == [("0000.png", {"category": "cat"}, "import"), ("0001.png", {"category": "dog"}, "import")]
    _job, again = export(target, "csv", run_actors, judgments=True)
    said = [list(csv.DictReader(io.StringIO(text.decode(), newline=""))) for text in (expected, again)]
    assert [(line["image"], line["worker"], line["answer"], line["seconds"]) for line in said[0]] == [
        (line["image"], line["worker"], line["answer"], line["seconds"]) for line in said[1]
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"", "no judgment in said.csv"), (b"a,b\n1,2\n", "worker"), (b"image,answer\n0000.png,cat\n", "worker")],
)
def test_a_csv_of_judgments_without_its_columns_fails_in_words(data, told, make_project, run_actors):
    project = make_project(images=1)
    job = services.import_judgments(project=project, file=SimpleUploadedFile("said.csv", data), user=project.owner)
    run_actors()
    job.refresh_from_db()
    assert (job.state, told in job.message) == ("failed", True)


def test_a_worker_of_a_file_is_called_as_the_file_says(make_project, run_actors):
    project = make_project(images=1)
    file = SimpleUploadedFile("said.csv", b"image,worker,answer\n0000.png,dora,cat\n")
    services.import_judgments(project=project, file=file, user=project.owner)
    run_actors()
    api, of = client(project.owner), f"/api/v1/projects/{project.slug}/"
    assert [row["worker"] for row in api.get(f"{of}judgments/?worker=dora").json()["results"]] == ["dora"]
    assert "dora" in [row["username"] for row in api.get(f"{of}workers/").json()["results"]]
    assert "dora" in [row["username"] for row in api.get(f"{of}stats/").json()["workers"]]
    assert api.get(f"{of}workers/dora/").json()["judgment_count"] == 1
    assert "dora,1," in api.get(f"{of}earnings/").getvalue().decode()
    task = Task.objects.get(project=project)
    assert api.get(f"/api/v1/tasks/{task.pk}/provenance/").json()["judgments"][0]["worker"] == "dora"


def test_workers_may_not_take_the_labels_home(make_project):
    project = make_project(images=1)
    worker = person("wanda")
    services.add_member(project=project, username="wanda", role="worker")
    answer = client(worker).post(f"/api/v1/projects/{project.slug}/exports/", {"format": "csv"}, format="json")
    assert answer.status_code == 403


@pytest.mark.parametrize("form", ["csv", "jsonl", "coco", "parquet"])
def test_a_table_calls_an_image_as_the_project_does(form, make_project, run_actors):
    project = make_project(images=1, judgments_max=1)
    project.images.update(name='.a/=what? "1".png')
    services.decide_task(task=Task.objects.get(), user=project.owner, answers={"category": "cat"})
    _job, data = export(project, form, run_actors)
    (known,) = READERS[form](Files(io.BytesIO(data), f"a.{FORMATS[form].extension}"))
    assert known.image == '.a/=what? "1".png'
