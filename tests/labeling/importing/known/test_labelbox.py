"""Labelbox's lines of JSON: boxes, choices, whose they are, and what is passed over."""

from __future__ import annotations

import io
import json
from typing import Any

from labeling.importing.known import READERS, Files, Known, Passed, Refused


def read(*rows: Any) -> list[Known | Refused | Passed]:
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    return list(READERS["labelbox"](Files(io.BytesIO(lines.encode()), "export.ndjson")))


def image(*labels: dict[str, Any], **told: Any) -> dict[str, Any]:
    row = {"id": "ckx", "external_id": "a.jpg", "row_data": "https://storage.labelbox.com/x%2Fb%20c.jpg?sig=1", **told}
    size = {"width": 64, "height": 48, "mime_type": "image/jpeg"}
    return {"data_row": row, "media_attributes": size, "projects": {"p": {"name": "Pets", "labels": list(labels)}}}


def label(by: str, objects: Any = (), classes: Any = ()) -> dict[str, Any]:
    annotations = {"objects": list(objects), "classifications": list(classes), "relationships": []}
    return {"label_kind": "Default", "label_details": {"created_by": by}, "annotations": annotations}


def test_boxes_and_choices_are_of_who_made_them():
    sides = {"top": 1.0, "left": 2.5, "height": 10.0, "width": 20.0}
    box = {"name": "cat", "value": "cat", "annotation_kind": "ImageBoundingBox", "bounding_box": sides}
    radio = {"name": "Pose", "value": "pose", "radio_answer": {"name": "Lying down", "value": "lying_down"}}
    several = {"name": "Seen", "value": "seen", "checklist_answers": [{"name": "cat"}, {"name": "dog"}]}
    size = (64, 48)
    assert read(image(label("ann@x", [box], [radio]), label("bob@x", [], [several]))) == [
        Known("a.jpg", [{"category": "cat", "box": [2.5, 1.0, 20.0, 10.0]}], size=size, boxed=True, by="ann@x"),
        Known("a.jpg", [{"category": "Lying down"}], classed=True, control="Pose", by="ann@x"),
        Known("a.jpg", [{"category": "cat"}, {"category": "dog"}], classed=True, control="Seen", by="bob@x"),
    ]


def test_an_empty_label_holds_nothing_and_without_a_label_nobody_has_looked():
    found = read(image(label("ann@x"), external_id=None), image())
    assert found[0] == Known("b c.jpg", [], size=(64, 48), boxed=True, by="ann@x")
    assert [(one.what, one.count) for one in found[1:] if isinstance(one, Passed)] == [("labels", 1)]


def test_what_is_neither_box_nor_choice_is_told_and_a_line_of_something_else_is_refused():
    point = {"name": "eye", "annotation_kind": "ImagePoint", "point": {"x": 1, "y": 2}}
    text = {"name": "Note", "text_answer": {"content": "blurred"}}
    refused, *passed = read({"image": "a.jpg"}, image(label("ann@x", [point], [text])))
    assert isinstance(refused, Refused)
    assert "export.ndjson, line 1" in refused.where
    assert [(one.what, one.count) for one in passed if isinstance(one, Passed)] == [("ImagePoint", 1), ("Note", 1)]
