"""doccano's JSON Lines of images: choices, boxes, and whose they are."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from labeling.importing.known import READERS, Files, Known, Passed, Refused
from tests.labeling.importing.conftest import packed


def read(*rows: Any, name: str = "all.jsonl") -> list[Known | Refused | Passed]:
    lines = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    return list(READERS["doccano"](Files(io.BytesIO(lines.encode()), name)))


def chosen(image: str, *labels: str, by: str = "") -> Known:
    return Known(image, [{"category": label} for label in labels], classed=True, by=by)


def test_labels_are_choices_of_the_image_and_boxes_boxes():
    box = {"id": 7, "x": 11, "y": 12.5, "width": 64, "height": 66, "label": "cat"}
    assert read(
        {"id": 1, "filename": "cat.png", "label": ["cat"], "Comments": []},
        {"id": 2, "filename": "both.png", "label": ["cat", "dog"]},
        {"id": 3, "filename": "boxed.png", "bbox": [box]},
    ) == [
        chosen("cat.png", "cat"),
        chosen("both.png", "cat", "dog"),
        Known("boxed.png", [{"category": "cat", "box": [11.0, 12.5, 64.0, 66.0]}], boxed=True),
    ]


def test_in_a_zip_each_file_is_of_the_person_whom_it_is_called_after():
    line = '{"filename": "a.png", "label": ["cat"]}\n'
    archive = packed({"ann.jsonl": line, "bob.jsonl": line.replace("cat", "dog"), "all.jsonl": line})
    found = list(READERS["doccano"](Files(io.BytesIO(archive), "export.zip")))
    assert found == [chosen("a.png", "cat", by="ann"), chosen("a.png", "dog", by="bob"), chosen("a.png", "cat")]


def test_comments_and_lines_without_a_label_are_told_and_say_nothing():
    found = read({"filename": "a.png", "label": [], "Comments": ["blurred"]}, {"filename": "b.png", "bbox": []})
    assert {part.what: part.count for part in found if isinstance(part, Passed)} == {"Comments": 1, "filename": 2}
    assert len(found) == 2


@pytest.mark.parametrize(
    "wrong", ["{", "[]", {"text": "no image", "label": ["cat"]}, {"filename": 1, "label": ["cat"]}]
)
def test_a_line_of_another_kind_keeps_no_other_from_being_read(wrong):
    refused, known = read(wrong, {"filename": "a.png", "label": ["cat"]})
    assert isinstance(refused, Refused)
    assert refused.where == "all.jsonl, line 1"
    assert known == chosen("a.png", "cat")


@pytest.mark.parametrize("wrong", [{"x": 1, "y": 2, "width": 3, "label": "cat"}, [0, 4, "cat"], 7])
def test_an_image_of_which_one_label_is_no_box_is_refused(wrong):
    (refused,) = read({"filename": "a.png", "bbox": [wrong]})
    assert isinstance(refused, Refused)
    assert refused.where == "a.png"
