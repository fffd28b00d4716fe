"""Lists as spreadsheets write them: what parts fields, in which letters, and how they may call categories."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labeling.accounts import people
from labeling.models import Gold, Judgment, Project
from tests.labeling.importing.conftest import Import, packed

pytestmark = pytest.mark.django_db
PETS = [{"key": "cat", "name": "House cat"}, {"key": "dog", "name": "Dog"}]


@pytest.fixture
def pets(make_project: Callable[..., Project]) -> Project:
    return make_project(images=2, categories=PETS)


@pytest.mark.parametrize(
    "data",
    [
        b"sep=;\r\nimage;answer\r\n0000.png;cat\r\n0001.png;dog\r\n",
        b'"sep=,"\r\nimage,answer\r\n0000.png,cat\r\n0001.png,dog\r\n',
        "image,answer\r\n0000.png,cat\r\n0001.png,dog\r\n".encode("utf-16-le"),
        "image,answer\r\n0000.png,cat\r\n0001.png,dog\r\n".encode("utf-16-be"),
        b"\r\n;;\r\nimage;answer;\r\n0000.png;cat;\r\n;;\r\n\r\n0001.png;dog;\r\n;;\r\n",
        b"image|answer\n0000.png|cat\n0001.png|dog\n",
        b'image, answer\n"0000.png", "cat"\n"0001.png", "dog"\n',
    ],
    ids=["sep", "quoted sep", "utf-16-le", "utf-16-be", "blank rows", "bars", "blanks"],
)
def test_what_a_spreadsheet_saves_is_read(pets: Project, bring_labels: Import, data: bytes) -> None:
    job = bring_labels(pets, data, "csv")
    assert (job.state, job.errors, job.result.get("imported")) == ("succeeded", [], 2)


def test_one_column_of_marks_answers_a_yes_or_no(make_project: Callable[..., Project], bring_labels: Import) -> None:
    """As in many a competition of Kaggle."""
    project = make_project(images=2, questions=[{"key": "there", "kind": "yes_no", "prompt": "A cactus?"}])
    job = bring_labels(project, b"id,has_cactus\n0000.png,1\n0001.png,0\n", "csv")
    assert (job.state, job.errors) == ("succeeded", [])
    assert [gold.answers for gold in Gold.objects.order_by("task__image__name")] == [{"there": True}, {"there": False}]


def test_a_line_is_told_as_an_editor_counts_it_below_what_says_the_separator(
    pets: Project, bring_labels: Import
) -> None:
    job = bring_labels(pets, b"sep=;\nimage;worker;answer\n0000.png;ann;cat\nnone.png;ann;cat\n")
    assert [row["item"] for row in job.errors] == ["line 4"]


@pytest.mark.parametrize("form", ["csv", ""])
def test_two_columns_of_one_name_are_asked_back_instead_of_guessed(
    pets: Project, bring_labels: Import, form: str
) -> None:
    """The last one was taken, whatever the first said."""
    job = bring_labels(pets, b"image,worker,answer,Answer\n0000.png,ann,cat,dog\n", form)
    assert (job.state, job.message) == ("failed", "Two columns are called answer: give each its own name.")


@pytest.mark.parametrize("said", ["cat", " CAT ", "house CAT"])
def test_a_category_may_be_called_by_its_name_or_with_capitals(pets: Project, bring_labels: Import, said: str) -> None:
    bring_labels(pets, f"image,answer\n0000.png,{said}\n".encode(), "csv")
    assert Gold.objects.get().answers == {"category": "cat"}
    bring_labels(pets, f"image,worker,answer\n0001.png,ann,{said}\n".encode())
    assert Judgment.objects.get().answers == {"category": "cat"}


def test_a_name_that_several_categories_could_have_is_refused(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    project = make_project(images=2, categories=["cat", "CAT", "dog"])
    job = bring_labels(project, b"image,answer\n0000.png,Cat\n0001.png,CAT\n", "csv")
    assert [(row["item"], row["code"]) for row in job.errors] == [("0000.png", "bad_answer")]
    assert Gold.objects.get().answers == {"category": "CAT"}


def test_boxes_and_sets_of_categories_may_be_called_so_too(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    kinds = [{"key": "all", "kind": "multiple_choice", "prompt": "p"}, {"key": "box", "kind": "boxes", "prompt": "p"}]
    project = make_project(images=1, categories=PETS, questions=kinds)
    said = b'<tag label="CAT"/><tag label="Dog"/><box label="DOG" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    data = b'<annotations><image name="0000.png">' + said + b"</image></annotations>"
    job = bring_labels(project, data, "cvat")
    assert job.errors == []
    answers = Gold.objects.get().answers
    assert answers["all"] == ["cat", "dog"]
    assert answers["box"] == [{"category": "dog", "box": [1.0, 1.0, 8.0, 8.0]}]


def test_judgments_may_have_the_columns_of_another_tool(pets: Project, bring_labels: Import) -> None:
    """As Label Studio's CSV has them."""
    text = "annotation_id,annotator,choice,id,image\n1,7,dog,3,/data/upload/1/1a2b3c4d-0001.png\n"
    job = bring_labels(pets, text.encode())
    assert (job.state, job.errors, job.result["imported"]) == ("succeeded", [], 1)
    said = Judgment.objects.get()
    assert (said.task.image.name, said.answers, people.name_of(said.worker)) == ("0001.png", {"category": "dog"}, "7")


def test_a_column_that_is_missing_is_told_with_those_that_are_there(pets: Project, bring_labels: Import) -> None:
    job = bring_labels(pets, b"Image,Coder,Answer\n0001.png,7,dog\n")
    assert (job.state, job.message) == (
        "failed",
        "The CSV needs the columns image, worker and answer; it has no worker, but answer, coder, image.",
    )


@pytest.mark.parametrize("form", ["csv", ""])
def test_a_workbook_is_refused_with_what_to_do(pets: Project, bring_labels: Import, form: str) -> None:
    job = bring_labels(pets, packed({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"}), form)
    assert (job.state, "Send the CSV itself" in job.message) == ("failed", True)
