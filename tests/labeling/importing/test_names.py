"""Which picture of the project a line of a file is about, and names that no picture has."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from PIL import Image as Pillow

from labeling import services
from labeling.importing import judgments, labels
from labeling.models import Gold, Judgment, Project
from tests.labeling.conftest import picture
from tests.labeling.importing.conftest import Import, packed, yolo

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("label", "image"),
    [
        ("labels/train/a.txt", "images/train/a.png"),
        ("labels/train/a.txt", "train/a.png"),
        ("train/labels/a.txt", "train/images/a.png"),
        ("train/labels/a.txt", "a.png"),
    ],
)
def test_labels_of_a_split_find_the_pictures_of_it(
    make_project: Callable[..., Project], bring_labels: Import, label: str, image: str
) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.add_images(project=project, images={image: picture(1)})
    job = bring_labels(project, yolo(label), "yolo")
    assert (job.state, job.errors) == ("succeeded", [])
    assert Gold.objects.get().answers["box"][0]["category"] == "dog"


def test_labels_of_another_split_are_about_no_picture(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.add_images(project=project, images={"images/train/a.png": picture(1)})
    job = bring_labels(project, yolo("labels/val/a.txt"), "yolo")
    assert [row["code"] for row in job.errors] == ["unknown_image"]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("coco/val2017/a.png", "val2017/a.png"),
        ("val2017/a.png", "/home/me/coco/val2017/a.png"),
        ("val2017/a.png", "..\\coco\\val2017\\a.png"),
        ("a.png", "images\\a.png"),
        ("sub/a.png", "a"),
    ],
)
def test_a_file_may_know_more_or_fewer_folders_than_the_project(
    make_project: Callable[..., Project], bring_labels: Import, image: str, said: str
) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={image: picture(1), "other/b.png": picture(2)})
    job = bring_labels(project, json.dumps({"image": said, "answer": "cat"}).encode(), "jsonl")
    assert (job.errors, Gold.objects.get().task.image.name) == ([], image)


@pytest.mark.parametrize("above", ["/home/me/data/", "C:\\data\\"])
@pytest.mark.parametrize("form", ["csv", ""])
def test_full_paths_are_told_apart_by_the_folders_that_the_images_came_with(
    make_project: Callable[..., Project], bring_labels: Import, form: str, above: str
) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={"x/1.png": picture(1), "y/1.png": picture(2), "1.png": picture(3)})
    names = [above + name.replace("/", above[-1]) for name in ("x/1.png", "y/1.png", "z/1.png", "w/1.png")]
    lines = [f"{name},ann,{answer}" for name, answer in zip(names, ("cat", "dog", "cat", "dog"), strict=True)]
    job = bring_labels(project, "\n".join(["image,worker,answer", *lines]).encode(), form)
    assert [row["code"] for row in job.errors] == ["unknown_image"] * 2  # either could be the one without a folder
    rows = (Gold if form else Judgment).objects.values_list("task__image__name", "answers")
    assert dict(rows) == {"x/1.png": {"category": "cat"}, "y/1.png": {"category": "dog"}}


@pytest.mark.parametrize("form", ["csv", ""])
def test_a_name_that_two_images_have_is_given_to_neither(
    make_project: Callable[..., Project], bring_labels: Import, form: str
) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={"a/1.png": picture(1), "b/1.png": picture(2), "2.png": picture(3)})
    lines = "image,worker,answer\n1.png,ann,cat\nb/1.png,ann,dog\n2.png,ann,cat\n"
    job = bring_labels(project, lines.encode(), form)
    assert [row["code"] for row in job.errors] == ["ambiguous_image"]
    rows = Judgment.objects.values_list("task__image__name", "answers")
    gold = Gold.objects.values_list("task__image__name", "answers")
    assert dict(gold if form else rows) == {"b/1.png": {"category": "dog"}, "2.png": {"category": "cat"}}


def coco(size: tuple[int, int], name: str = "1.png", category: int = 1) -> str:
    annotation = {"id": 1, "image_id": 1, "category_id": category, "bbox": [30, 2, 8, 4]}
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": name, "width": size[0], "height": size[1]}],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [annotation],
        }
    )


VOC = "<annotation><filename>1.png</filename><object><name>{}</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
VOC += "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"


@pytest.mark.parametrize(
    ("form", "entries"),
    [
        ("coco", {"a/_annotations.coco.json": coco((40, 30)), "b/_annotations.coco.json": coco((40, 30), category=2)}),
        ("voc", {"Annotations/a/1.xml": VOC.format("cat"), "Annotations/b/1.xml": VOC.format("dog")}),
        ("imagefolder", {"cat/1.png": "", "dog/1.png": ""}),
    ],
)
def test_one_name_in_two_folders_is_two_pictures(
    make_project: Callable[..., Project], bring_labels: Import, form: str, entries: dict[str, str]
) -> None:
    question = {"questions": [{"key": "box", "kind": "boxes", "prompt": "Where?"}]} if form != "imagefolder" else {}
    project = make_project(images=0, **question)
    images = ["cat/1.png", "dog/1.png"] if form == "imagefolder" else ["a/1.png", "b/1.png"]
    services.add_images(project=project, images={name: picture(number) for number, name in enumerate(images)})
    job = bring_labels(project, packed(entries), form)
    assert job.errors == []
    answers = {gold.task.image.name: gold.answers for gold in Gold.objects.all()}
    said = [
        answers[name]["category"] if form == "imagefolder" else answers[name]["box"][0]["category"] for name in images
    ]
    assert said == ["cat", "dog"]


def test_one_name_in_two_folders_is_not_one_picture(make_project: Callable[..., Project], bring_labels: Import) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={"1.png": picture(1)})
    job = bring_labels(project, packed({"cat/1.png": "", "dog/1.png": ""}), "imagefolder")
    assert [row["code"] for row in job.errors] == ["ambiguous_image"] * 2
    assert not Gold.objects.exists()


@pytest.mark.parametrize(
    ("form", "data", "found"),
    [
        ("coco", coco((40, 30), "images\\0f3e4d21-1.png").encode(), 1),
        ("voc", packed({"Annotations/0f3e4d21-1.xml": VOC.format("cat").replace("1.png", "0f3e4d21-1.png")}), 1),
        ("yolo", yolo("labels/0f3e4d21-1.txt"), 1),
        ("yolo", yolo("labels/1.txt"), 0),
        ("yolo", yolo("labels/0f3e4d21-1.txt", "labels/12345678-1.txt"), None),
        ("yolo", yolo("labels/0f3e4d21-3.txt"), None),
        ("yolo", yolo("labels/0f3e4d2-1.txt"), None),
    ],
)
def test_a_name_that_label_studio_made_longer_means_the_one_picture_that_is_called_as_before(
    make_project: Callable[..., Project], bring_labels: Import, form: str, data: bytes, found: int | None
) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    names = ("1.png", "a/3.png", "b/3.png")
    services.add_images(project=project, images={name: picture(number) for number, name in enumerate(names)})
    job = bring_labels(project, data, form)
    assert (job.state, job.result.get("uploads", 0)) == ("failed" if found is None else "succeeded", found or 0)
    assert [gold.task.image.name for gold in Gold.objects.all()] == ([] if found is None else ["1.png"])


@pytest.mark.parametrize(
    ("orientation", "box"), [(5, [2, 30, 4, 8]), (6, [24, 30, 4, 8]), (7, [24, 2, 4, 8]), (8, [2, 2, 4, 8])]
)
def test_boxes_of_a_tool_that_did_not_turn_the_photograph_are_turned(
    make_project: Callable[..., Project], bring_labels: Import, orientation: int, box: list[float]
) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    services.add_images(project=project, images={"1.jpg": picture(1, kind="JPEG", exif=exif.tobytes())})
    assert bring_labels(project, coco((40, 30), "1.jpg").encode(), "coco").errors == []
    assert Gold.objects.get().answers["box"] == [{"category": "cat", "box": box}]


@pytest.mark.parametrize("size", [(30, 40), (80, 60)])
def test_boxes_of_a_picture_of_another_size_are_refused(
    make_project: Callable[..., Project], bring_labels: Import, size: tuple[int, int]
) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.add_images(project=project, images={"1.png": picture(1)})
    job = bring_labels(project, coco(size).encode(), "coco")
    assert [row["code"] for row in job.errors] == ["bad_answer"]
    assert f"{size[0]} x {size[1]}" in job.errors[0]["message"]


@pytest.mark.parametrize(
    ("kind", "answers", "refused"), [("single_choice", ["cat"], []), ("boxes", [], ["bad_answer"])]
)
def test_annotations_of_coco_without_a_box_are_classes(
    make_project: Callable[..., Project], bring_labels: Import, kind: str, answers: list[str], refused: list[str]
) -> None:
    project = make_project(images=0, questions=[{"key": "what", "kind": kind, "prompt": "What?"}])
    services.add_images(project=project, images={"1.png": picture(1)})
    document = json.loads(coco((30, 40)))
    for annotation in document["annotations"]:
        del annotation["bbox"]
    job = bring_labels(project, json.dumps(document).encode(), "coco")
    assert [row["code"] for row in job.errors] == refused
    assert [gold.answers["what"] for gold in Gold.objects.all()] == answers


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("csv", b"image,answer\n0000\0.png,cat\n0000.png,cat\n"),
        ("jsonl", b'{"image": "a\\u0000", "answer": "cat"}\n{"image": "0000.png", "answer": "cat"}\n'),
        ("jsonl", b'{"image": "\\ud800", "answer": "cat"}\n{"image": "0000.png", "answer": "cat"}\n'),
    ],
)
def test_a_label_of_a_name_that_no_database_stores_is_told_and_the_next_is_taken(
    make_project: Callable[..., Project], bring_labels: Import, form: str, data: bytes
) -> None:
    job = bring_labels(make_project(images=1), data, form)
    assert job.state == "succeeded", job.message
    assert [row["code"] for row in job.errors] == ["unknown_image"]
    assert Gold.objects.count() == 1


def test_a_judgment_that_cannot_be_stored_is_told_and_the_next_is_taken(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    good = '{"image": "0000.png", "worker": "ann", "answer": "cat"}'
    bad = [
        '{"image": "\\u00b2", "worker": "ann", "answer": "cat"}',
        '{"image": "a\\u0000", "worker": "ann", "answer": "cat"}',
        '{"image": "0000.png", "worker": "\\ud800", "answer": "cat"}',
        '{"image": "0000.png", "worker": "a\\u0000", "answer": "cat"}',
        '{"image": ' + "[" * 100_000,
        '{"image": ' + "9" * 5000 + ', "worker": "ann", "answer": "cat"}',
    ]
    job = bring_labels(make_project(images=1), "\n".join([*bad, good]).encode())
    assert job.state == "succeeded", job.message
    assert [row["item"] for row in job.errors] == [f"line {number}" for number in range(1, 7)]
    assert Judgment.objects.count() == 1


ENDLESS = '"' + "a" * 1_100_000 + '"'


def test_a_field_without_end_is_told_by_its_line_and_the_next_is_taken(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    text = f"image,worker,answer\n{ENDLESS},ann,cat\n0000.png,ann,cat\n"
    job = bring_labels(make_project(images=1), text.encode())
    assert (job.state, [row["item"] for row in job.errors]) == ("succeeded", ["line 2"])
    assert "quotation mark" in job.errors[0]["message"]
    assert Judgment.objects.count() == 1


def test_a_label_without_end_is_told_by_its_line_and_the_next_is_taken(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    job = bring_labels(make_project(images=1), f"image,answer\n{ENDLESS},cat\n0000.png,cat\n".encode(), "csv")
    assert (job.state, [row["item"] for row in job.errors]) == ("succeeded", ["labels, line 2"])
    assert Gold.objects.count() == 1


@pytest.mark.parametrize("form", ["", "csv"])
def test_a_header_without_end_fails_in_words(
    make_project: Callable[..., Project], bring_labels: Import, form: str
) -> None:
    job = bring_labels(make_project(images=1), f"{ENDLESS},worker,answer\n".encode(), form)
    assert job.state == "failed"
    assert "first line is no CSV" in job.message


def test_a_cell_as_long_as_a_posterior_over_many_categories_is_read(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    long = json.dumps({f"category {number}": 0.0001 for number in range(10_000)}).replace('"', '""')
    job = bring_labels(make_project(images=1), f'image,answer,posterior\n0000.png,cat,"{long}"\n'.encode(), "csv")
    assert (job.state, job.errors) == ("succeeded", [])
    assert Gold.objects.count() == 1


def test_folders_answer_no_question_of_boxes_and_it_is_told_once_what_to_do(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.add_images(project=project, images={"a.png": picture(1), "b.png": picture(2)})
    job = bring_labels(project, packed({"cat/a.png": "", "dog/b.png": ""}), "imagefolder")
    assert (job.state, job.errors) == ("failed", [])
    assert "'box' asks for boxes. Bring boxes in from COCO" in str(job.message)


@pytest.mark.parametrize("form", ["csv", ""])
def test_the_names_of_a_project_are_read_once_however_long_the_file_is(
    make_project: Callable[..., Project], bring_labels: Import, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    for module in (labels, judgments):
        monkeypatch.setattr(module, "CHUNK", 2)
    project = make_project(images=0)
    services.add_images(project=project, images={"train/a.png": picture(0), "train/b.png": picture(1)})
    # No name is a number: it may be an id of the other image.
    lines = [f"none {n}.png,ann,cat" for n in range(9)] + ["a.png,ann,cat", "b,ann,dog"]
    reads: list[str] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        if '"name" FROM "labeling_image"' in sql and " IN " not in sql:
            reads.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        job = bring_labels(project, "\n".join(["image,worker,answer", *lines]).encode(), form)
    assert (job.result["imported"], job.result["refused"], len(reads)) == (2, 9, 1)
    assert [error["code"] for error in job.errors] == ["unknown_image"] * 9


MARKED = b"filename,cat,dog\n0000.png,0,1\n0001.png,1,1\n0002.png,0,0\n"


@pytest.mark.parametrize(
    ("kind", "data", "said", "refused"),
    [
        ("single_choice", MARKED, {"0000.png": "dog"}, ["0001.png", "labels"]),
        ("multiple_choice", MARKED, {"0000.png": ["dog"], "0001.png": ["cat", "dog"], "0002.png": []}, []),
        (
            "boxes",
            b"filename,width,height,class,xmin,ymin,xmax,ymax\n0000.png,40,30,dog,1,2,11,22\n0001.png,20,15,cat,0,0,9,9\n",
            {"0000.png": [{"category": "dog", "box": [1, 2, 10, 20]}]},
            ["0001.png"],
        ),
        (
            "single_choice",
            b"filename,width,height,class,xmin,ymin,xmax,ymax\n0000.png,20,15,dog,1,2,11,22\n",
            {"0000.png": "dog"},
            [],
        ),
    ],
)
def test_tables_of_other_tools_answer_the_question_that_they_can(
    make_project: Callable[..., Project],
    bring_labels: Import,
    kind: str,
    data: bytes,
    said: dict[str, Any],
    refused: list[str],
) -> None:
    project = make_project(images=3, questions=[{"key": "q", "kind": kind, "prompt": "?"}])
    job = bring_labels(project, data, "csv")
    assert job.state == "succeeded", job.message
    assert [row["item"] for row in job.errors] == refused
    gold = Gold.objects.values_list("task__image__name", "answers")
    assert {name: answers["q"] for name, answers in gold} == said


@pytest.mark.parametrize(
    ("form", "entries"),
    [
        ("imagefolder", {"cat/1.png": "", "dog/1.png": ""}),
        ("imagefolder", {"dog/1.png": "", "cat/1.png": ""}),
    ],
)
def test_the_label_of_a_picture_that_did_not_come_is_not_given_to_another_of_its_name(
    make_project: Callable[..., Project], bring_labels: Import, form: str, entries: dict[str, str]
) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={"cat/1.png": picture(1)})
    job = bring_labels(project, packed(entries), form)
    assert [row["code"] for row in job.errors] == ["ambiguous_image"]
    assert Gold.objects.get().answers == {"category": "cat"}


def test_boxes_of_another_project_s_export_answer_the_one_question_of_boxes_whatever_theirs_was_called(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    project = make_project(images=0, questions=[{"key": "boxes", "kind": "boxes", "prompt": "Where?"}])
    services.add_images(project=project, images={"1.png": picture(1)})
    document = {"info": {"question": "box"}, **json.loads(coco((40, 30)))}
    assert bring_labels(project, json.dumps(document).encode(), "coco").errors == []
    assert Gold.objects.get().answers == {"boxes": [{"category": "cat", "box": [30, 2, 8, 4]}]}
