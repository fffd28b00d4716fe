"""Open Images' CSVs: boxes, labels of whole images, and the names of their classes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from labeling.importing.known import READERS, Files, Known, Passed, Refused, UnreadableError
from labeling.models import Gold, Project
from tests.labeling.importing.conftest import Import, packed

NAMES = "/m/01yrx,Cat\n/m/0bt9lr,Dog\n"
BOXES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
LABELS = "ImageID,Source,LabelName,Confidence"


def boxes(*lines: str) -> str:
    return "\n".join([BOXES, *(f"{line},0,0" for line in lines)])


def labels(*lines: str) -> str:
    return "\n".join([LABELS, *lines])


def read(**entries: str) -> list[Any]:
    data = packed({f"{name.replace('_', '-')}.csv": text for name, text in entries.items()})
    return list(READERS["openimages"](Files(io.BytesIO(data), "labels.zip")))


@pytest.mark.parametrize("header", ["", "LabelName,DisplayName\n"])
def test_boxes_are_shares_of_their_image_and_those_of_groups_are_none(header: str) -> None:
    lines = (
        "a1,xclick,/m/01yrx,1,0.25,0.75,0.5,1,0,0,0", "b2,xclick,/m/01yrx,1,0,1,0,1,0,0,1",
        "a1,xclick,/m/0bt9lr,1,0,0.5,0,0.5,0,0,0",
    )  # fmt: skip
    first, second = read(train_annotations_bbox=boxes(*lines), class_descriptions_boxable=header + NAMES)
    told = [{"category": "Cat", "box": [0.5, 0.75, 0.5, 0.5]}, {"category": "Dog", "box": [0.25, 0.25, 0.5, 0.5]}]
    assert first == Known("a1", told, relative=True, boxed=True)
    assert second == Known("b2", [], relative=True, boxed=True, crowds=("Cat",))


def test_labels_of_an_image_are_choices_where_they_are_rather_there_than_not() -> None:
    lines = ("a1,verification,/m/01yrx,1", "a1,machine,/m/0bt9lr,0.6", "a1,machine,/m/01yrx,0.9", "b2,crowd,/m/01yrx,0")
    known, passed = read(oidv7_class_descriptions=NAMES, human_imagelabels=labels(*lines))
    assert known == Known("a1", [{"category": "Cat"}, {"category": "Dog"}], classed=True)
    assert (type(passed), passed.what) == (Passed, "image")


def test_a_line_that_is_none_keeps_its_image_out_and_no_other() -> None:
    lines = (
        "a1,xclick,cat,1,0.25,0.75,0.5,1,0,0,0",
        "a1,xclick,cat,1,left,0.75,0.5,1,0,0,0",
        "b2,x,cat,1,0,1,0,1,0,0,0",
    )
    refused, known = read(bbox=boxes(*lines))
    assert (type(refused), refused.where, known.image) == (Refused, "bbox.csv, line 3", "b2")


def test_a_list_of_something_else_is_passed_over_beside_labels_and_refused_alone() -> None:
    text = "ImageID,Subset,OriginalURL\na1,train,https://example.org/a1.jpg\n"
    known, passed = read(images=text, labels=labels("a1,verification,cat,1"))
    assert (known.image, passed.what) == ("a1", "images.csv")
    with pytest.raises(UnreadableError, match=r"^images\.csv: "):
        list(READERS["openimages"](Files(io.BytesIO(text.encode()), "images.csv")))


def test_classes_without_their_names_are_refused_once_with_the_file_that_has_them() -> None:
    (refused,) = read(labels=labels("a1,verification,/m/01yrx,1", "b2,verification,/m/01yrx,1"))
    assert "class-descriptions" in refused.why


def test_a_csv_of_open_images_says_so_where_another_format_was_chosen() -> None:
    text = labels("a1,verification,cat,1")
    with pytest.raises(UnreadableError, match=r"^l\.csv is of Open Images: choose that format"):
        list(READERS["csv"](Files(io.BytesIO(text.encode()), "l.csv")))


def test_names_of_classes_in_an_open_quotation_are_refused_in_words() -> None:
    with pytest.raises(UnreadableError, match="names of the classes cannot be read"):
        read(class_descriptions='/m/01yrx,"Cat' + 2**20 * "t", labels=labels("a1,verification,cat,1"))


@pytest.mark.django_db
def test_open_images_come_in_by_the_names_of_their_classes(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    project = make_project(images=1, categories=["cat", "dog"])
    entries = {"annotations/class-descriptions.csv": NAMES, "annotations/l.csv": labels("0000,crowd,/m/0bt9lr,1")}
    job = bring_labels(project, packed(entries), "openimages")
    assert (job.state, job.errors) == ("succeeded", [])
    assert Gold.objects.get().answers == {"category": "dog"}
