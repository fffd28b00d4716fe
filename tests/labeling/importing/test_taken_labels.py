"""What of a file of labels or judgments is taken, what is refused, and what is told of it."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labeling import jobs, services
from labeling.importing import judgments, labels
from labeling.jobs import Report
from labeling.models import Gold, Job, Judgment, Project, Task
from tests.labeling.conftest import picture
from tests.labeling.importing.conftest import Import, yolo

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("chunk", [1, 500])
def test_of_two_labels_of_one_picture_the_first_stays_and_the_other_is_told(
    make_project: Callable[..., Project], bring_labels: Import, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(labels, "CHUNK", chunk)
    job = bring_labels(make_project(images=1), b"image,answer\n0000.png,cat\n0000.png,dog\n0000.png,cat\n", "csv")
    assert [(row["item"], row["message"]) for row in job.errors] == [
        ("0000.png", "a line above says something else of the same picture.")
    ]
    assert Gold.objects.get().answers == {"category": "cat"}


@pytest.mark.parametrize("take_as", ["gold", "suggestions", "judgments"])
def test_an_import_that_was_killed_still_knows_what_the_file_said_before(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, own_media: Path, take_as: str
) -> None:
    """It took the other label for the first, and wrote it over what it had written before it was killed."""
    monkeypatch.setattr(labels, "WRITTEN", 1)
    project = make_project(images=2)
    file = SimpleUploadedFile("a.csv", b"image,answer\n0000.png,cat\n0001.png,cat\n0000.png,dog\n0001.png,cat\n")
    values: dict[str, Any] = {"form": "csv", "take_as": take_as, "source": "them"}
    job = services.import_labels(project=project, file=file, user=project.owner, **values)
    write = Report.checkpoint

    def killed(self: Report, *told: Any) -> None:
        write(self, *told)
        if self.result["position"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Report, "checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            jobs.run(str(job.pk), labels.run)
    Job.objects.update(state="queued")
    jobs.run(str(job.pk), labels.run)
    job.refresh_from_db()
    assert job.result["position"] == 4
    assert [(row["item"], row["message"]) for row in job.errors] == [
        ("0000.png", "a line above says something else of the same picture.")
    ]
    assert not (own_media / "imports" / str(job.pk)).exists()


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("csv", b"image,answer\nx.png,cat\n0000.png,cow\n"),
        ("jsonl", b'{"image": "x.png", "answer": "cat"}\n'),
        ("", b"image,worker,answer\nx.png,ann,cat\n0000.png,ann,cow\n0000.png,,cat\n"),
    ],
)
def test_a_file_of_which_nothing_can_be_taken_fails_and_tells_why(
    make_project: Callable[..., Project], bring_labels: Import, form: str, data: bytes
) -> None:
    job = bring_labels(make_project(images=1), data, form)
    assert job.state == "failed"
    assert job.message == "Nothing in labels could be taken: see what was refused, and why."
    assert len(job.errors) == job.result["refused"] == data.count(b"png")


@pytest.mark.parametrize("form", ["csv", ""])
def test_a_file_that_brings_nothing_new_is_no_failure(
    make_project: Callable[..., Project], bring_labels: Import, form: str
) -> None:
    project = make_project(images=1)
    states = [bring_labels(project, b"image,worker,answer\n0000.png,ann,cat\n", form).state for _ in range(2)]
    assert states == ["succeeded", "succeeded"]


def test_a_file_that_only_adds_to_judgments_that_are_there_tells_how_many(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    asked = [{"key": key, "kind": "yes_no", "prompt": key, "required": False} for key in ("a", "b")]
    project = make_project(images=2, questions=asked)
    head = b"image,worker,question,answer\n0000.png,ann,a,yes\n0001.png,ann,a,yes\n"
    told = [bring_labels(project, data).result for data in (head, head + b"0000.png,ann,b,no\n")]
    assert [[result[name] for name in judgments.COUNTS] for result in told] == [[2, 0, 0], [0, 1, 1]]


def test_labels_of_a_source_that_has_said_something_else_before_are_told(
    make_project: Callable[..., Project], run_actors: Callable[[], int]
) -> None:
    project = make_project(images=2)
    for answer in (b"cat", b"dog"):
        file = SimpleUploadedFile("a.csv", b"image,answer\n0000.png,%s\n0001.png,cat\n" % answer)
        values: dict[str, Any] = {"form": "csv", "take_as": "judgments", "source": "them"}
        job = services.import_labels(project=project, file=file, user=project.owner, **values)
        run_actors()
    job.refresh_from_db()
    assert [(row["item"], row["code"]) for row in job.errors] == [("0000.png", "already_answered")]
    assert [job.result[name] for name in judgments.COUNTS] == [0, 0, 1]


CROWD = {"id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 0, 9, 9], "iscrowd": 1}
BOX = {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}


@pytest.mark.parametrize(
    ("kind", "annotations", "answer"),
    [
        ("multiple_choice", [CROWD], ["dog"]),
        ("multiple_choice", [BOX, CROWD], ["cat", "dog"]),
        ("boxes", [BOX, CROWD], [{"category": "cat", "box": [1, 2, 3, 4]}]),
        ("boxes", [CROWD], None),
    ],
)
def test_a_crowd_is_no_box_and_not_nothing(
    make_project: Callable[..., Project], bring_labels: Import, kind: str, annotations: Any, answer: Any
) -> None:
    project = make_project(images=1, questions=[{"key": "what", "kind": kind, "prompt": "What?"}])
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    document = {"categories": categories, "images": [{"id": 1, "file_name": "0000.png"}], "annotations": annotations}
    job = bring_labels(project, json.dumps(document).encode(), "coco", "a.json")
    assert [row.answers["what"] for row in Gold.objects.all()] == ([] if answer is None else [answer])
    assert [row["message"] for row in job.errors] == (
        ["the file has only regions of crowds here (iscrowd, IsGroupOf), and no box of one thing."]
        if answer is None
        else []
    )


@pytest.mark.parametrize("form", ["csv", ""])
def test_who_answers_meanwhile_waits_for_a_few_labels_and_not_for_hundreds(
    make_project: Callable[..., Project], bring_labels: Import, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """An import and a submit count in one row, the project's, which is locked until what was written is whole."""
    project = make_project(images=1)
    seen: list[int] = []
    checkpoint = Report.checkpoint

    def noted(self: Report, *arguments: Any) -> None:
        seen.append(self.result["position"])
        checkpoint(self, *arguments)

    monkeypatch.setattr(Report, "checkpoint", noted)
    lines = [f"{number % 2:04d}.png,ann,cat" for number in range(450)]
    job = bring_labels(project, "\n".join(["image,worker,answer", *lines]).encode(), form)
    assert (job.state, job.result["refused"], job.result["position"]) == ("succeeded", 225, 450)
    assert max(after - before for before, after in itertools.pairwise([0, *seen])) <= (25 if form else 200)


def unholdable(image: Any, category: int = 1, **more: Any) -> bytes:
    images = [{"id": 1, "file_name": image, **more}]
    categories = [{"id": 1, "name": "c\0t"}, {"id": 2, "name": "\ud800"}]
    boxes = [{"image_id": 1, "category_id": each, "bbox": [1, 2, 3, 4]} for each in (category, 2)]
    return json.dumps({"images": images, "categories": categories, "annotations": boxes}).encode()


def unasked(*controls: str) -> bytes:
    texts = [{"from_name": name, "type": "textarea", "value": {"text": ["a"]}} for name in controls]
    return json.dumps([{"data": {"image": "0000.png"}, "annotations": [{"result": texts}]}]).encode()


def in_tar(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "data", "item", "code"),
    [
        ("coco", unholdable("a\0.png", 7), "a\ufffd.png", "unreadable"),
        ("coco", unholdable("a\ud800.png", 7), "a?.png", "unreadable"),
        ("coco", unholdable("0000.png"), "0000.png", "bad_answer"),
        ("coco", unholdable(17, sha256=hashlib.sha256(picture(0)).hexdigest()), "17", "bad_answer"),
        ("yolo", yolo("labels/a.txt").replace(b"a.txt", b"\xff.txt"), "", "unknown_image"),
        ("labelstudio", unasked("a\0b"), "a\ufffdb", "passed_over"),
    ],
)
def test_what_no_database_can_hold_is_refused_and_told_as_it_can_be(
    make_project: Callable[..., Project], bring_labels: Import, form: str, data: bytes, item: str, code: str
) -> None:
    """The report of it broke the job, which was tried again and again and never ended."""
    job = bring_labels(make_project(images=1), data, form)
    assert job.state == "failed"
    assert job.message.startswith("Nothing in labels could be taken")
    assert [row["code"] for row in job.errors] == [code]
    assert not item or job.errors[0]["item"] == item


def test_an_entry_that_cannot_be_read_is_told_whatever_it_is_called(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    job = bring_labels(make_project(images=1), in_tar("Annotations/\udcff.xml", b"<annotation>"), "voc")
    assert job.state == "failed"
    assert "?.xml" in "".join([job.message, *(row["item"] for row in job.errors)])


@pytest.mark.parametrize("kind", ["single_choice", "multiple_choice"])
def test_label_studio_s_annotators_are_people_of_their_own_whose_controls_answer_the_questions_that_fit(
    make_project: Callable[..., Project], run_actors: Callable[[], int], kind: str
) -> None:
    asked = [
        {"key": "where", "kind": "boxes", "prompt": "Where?"},
        {"key": "what", "kind": kind, "prompt": "What?"},
        {"key": "worst", "kind": "single_choice", "prompt": "The worst?", "required": False},
        {"key": "stars", "kind": "rating", "prompt": "How sharp?"},
    ]
    project = make_project(images=1, questions=asked)
    place = {"x": 0, "y": 50, "width": 50, "height": 50, "rectanglelabels": ["cat"]}
    box = {"from_name": "label", "type": "rectanglelabels", "value": place}
    chosen = {"from_name": "what", "type": "choices", "value": {"choices": ["dog"]}}
    rated = {"from_name": "stars", "type": "rating", "value": {"rating": 4}}
    written = {"from_name": "notes", "type": "textarea", "value": {"text": ["of nothing that is asked"]}}
    annotations = [
        {"completed_by": 1, "result": [box, chosen, rated, written]}, {"completed_by": 2, "result": [chosen]}
    ]  # fmt: skip
    rows = [{"data": {"image": "/data/upload/1/0ab12cd3-0000.png"}, "annotations": annotations}]
    for take_as in ("judgments", "gold"):
        file = SimpleUploadedFile("export.json", json.dumps(rows).encode())
        values: dict[str, Any] = {"form": "labelstudio", "take_as": take_as, "source": "old"}
        job = services.import_labels(project=project, file=file, user=project.owner, **values)
        run_actors()
        job.refresh_from_db()
        assert [job.state, job.result["labels"], *((row["item"], row["code"]) for row in job.errors)] == [
            "succeeded", 4, ("notes", "passed_over"),
        ]  # fmt: skip
    image = project.images.get()
    said = "dog" if kind == "single_choice" else ["dog"]
    where = [{"category": "cat", "box": [0, image.height / 2, image.width / 2, image.height / 2]}]
    people = {row.worker.first_name or row.worker.username: row.answers for row in Judgment.objects.all()}
    assert list(people.values()) == [{"where": where, "what": said, "stars": 4}, {"what": said}]
    assert Gold.objects.get().answers == {"where": where, "what": said, "stars": 4}


def test_what_a_file_holds_beside_labels_is_told_and_is_no_refusal(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    tag = '<tag label="cat"><attribute name="colour">red</attribute></tag>'
    images = "".join(f'<image name="000{number}.png">{tag if number < 2 else ""}</image>' for number in range(3))
    project = make_project(images=3)
    job = bring_labels(project, f"<annotations>{images}</annotations>".encode(), "cvat")
    assert job.state == "succeeded"
    assert (job.result["labels"], job.result["imported"], job.result["passed_over"]) == (2, 2, 3)
    assert "refused" not in job.result
    assert [(row["item"], row["code"]) for row in job.errors] == [
        ("attribute colour", "passed_over"),
        ("image", "passed_over"),
    ]
    assert job.errors[0]["message"] == "Attributes are not taken. Passed over: 2."
    assert [gold.answers for gold in Gold.objects.all()] == [{"category": "cat"}] * 2

    reader = Client()
    reader.force_login(project.owner)
    page = reader.get(f"/projects/{project.slug}/jobs/{job.pk}/").content.decode()
    assert "What was refused or passed over, and why" in page
    assert "0 refused" not in page
    assert "2 refused" not in page


def test_of_very_many_questions_that_nobody_asks_a_hundred_are_named(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    job = bring_labels(make_project(images=1), unasked(*(f"q{number}" for number in range(103))), "labelstudio")
    assert (len(job.errors), job.result["passed_over"], job.errors[-1]["item"]) == (101, 103, "…")


def test_a_file_of_which_all_is_passed_over_fails_and_tells_why(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    job = bring_labels(make_project(images=1), b'{"filename": "0000.png", "label": []}\n', "doccano")
    assert job.state == "failed"
    assert [row["code"] for row in job.errors] == ["passed_over"]


def test_images_of_which_a_file_says_no_class_are_told_of(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    images = [{"id": number, "file_name": f"000{number}.png"} for number in range(3)]
    document = {
        "images": images,
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    project = make_project(images=3)
    job = bring_labels(project, json.dumps(document).encode(), "coco", name="coco.json")
    assert job.state == "succeeded"
    assert {name: job.result.get(name) for name in ("labels", "imported", "passed_over", "silent")} == {
        "labels": 1,
        "imported": 1,
        "passed_over": 2,
        "silent": None,
    }
    assert job.errors[0]["item"] == "coco.json"
    assert "says nothing of what they show. Passed over: 2." in job.errors[0]["message"]
    document["annotations"] = []
    job = bring_labels(project, json.dumps(document).encode(), "coco")
    assert (job.state, len(job.errors)) == ("failed", 1)


def test_labels_come_in_as_judgments_of_a_source_once(
    make_project: Callable[..., Project], run_actors: Callable[[], int]
) -> None:
    project = make_project(images=2)
    for _ in range(2):
        file = SimpleUploadedFile("l.csv", b"image,answer\n0000.png,cat\n0001,dog\nno.png,cat\n0000.png,cow\n")
        services.import_labels(
            project=project, file=file, form="csv", take_as="judgments", source="museum", user=project.owner
        )
        run_actors()
    assert sorted(Judgment.objects.filter(project=project).values_list("answers", flat=True), key=str) == [
        {"category": "cat"},
        {"category": "dog"},
    ]
    job = Job.objects.filter(kind="import_labels").latest("created_at")
    assert [(error["item"], error["code"]) for error in job.errors] == [
        ("no.png", "unknown_image"),
        ("0000.png", "bad_answer"),
    ]


def test_labels_come_in_as_suggestions_beside_the_question(
    make_project: Callable[..., Project], run_actors: Callable[[], int]
) -> None:
    project = make_project(images=3)
    file = SimpleUploadedFile("l.csv", b"image,answer\n0000.png,dog\n0001.png,cat\n0002.png,cat\n")
    services.import_labels(project=project, file=file, form="csv", take_as="suggestions", source="old", user=None)
    with CaptureQueriesContext(connection) as queries:
        run_actors()
    assert sum(one["sql"].startswith('UPDATE "labeling_task"') for one in queries) == 1  # of all, not of each
    task = Task.objects.get(project=project, image__name="0000.png")
    assert task.payload == {"suggestions": {"category": "dog"}, "suggested_by": "old", "blind_share": 0.2}
    assert task.state == Task.State.OPEN


def test_a_damaged_file_fails_its_job_in_words(
    make_project: Callable[..., Project], run_actors: Callable[[], int]
) -> None:
    project = make_project(images=1)
    file = SimpleUploadedFile("l.json", b"{")
    job = services.import_labels(project=project, file=file, form="coco", take_as="gold", source="", user=None)
    run_actors()
    job.refresh_from_db()
    assert (job.state, "is not COCO" in job.message) == ("failed", True)
    assert not Gold.objects.exists()
