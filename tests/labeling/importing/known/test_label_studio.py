"""Label Studio's exports: whose answer it is, where its boxes lie, and which image an address means."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from labeling.importing.known import READERS, Files, Known, Passed, Refused, UnreadableError
from labeling.importing.known.labelstudio import called

SIZE = {"original_width": 400, "original_height": 200}
CHOSEN = {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": ["cat"]}}


def read(rows: Any) -> list[Known | Refused]:
    return [part for part in read_all(rows) if not isinstance(part, Passed)]


def read_all(rows: Any) -> list[Known | Refused | Passed]:
    text = rows if isinstance(rows, str) else json.dumps(rows)
    return list(READERS["labelstudio"](Files(io.BytesIO(text.encode()), "export.json")))


def region(label: str, **value: Any) -> dict[str, Any]:
    place = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": [label], **value}
    return {"from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": place, **SIZE}


def task(*annotations: list[Any], image: str = "/data/upload/1/0ab12cd3-a.jpg", **more: Any) -> dict[str, Any]:
    made = [{"id": 10 + n, "completed_by": n, "result": result, **more} for n, result in enumerate(annotations, 1)]
    return {"id": 1, "data": {"text": "seen", "image": image}, "annotations": made, "predictions": [], "project": 83}


def cats(by: str = "1", control: str = "choice") -> Known:
    return Known("a.jpg", [{"category": "cat"}], classed=True, control=control, by=by)


def boxes(*found: tuple[str, list[float]], by: str = "1", control: str = "label") -> Known:
    answer = [{"category": category, "box": box} for category, box in found]
    return Known("a.jpg", answer, boxed=True, control=control, by=by, size=(400, 200))


def test_percent_of_the_image_become_pixels_of_the_size_that_the_file_tells():
    first, second = read([task([region("cat")], [region("dog", x=0, y=0), CHOSEN])])[:2]
    assert first == boxes(("cat", [40.0, 40.0, 120.0, 80.0]))
    assert second == boxes(("dog", [0.0, 0.0, 120.0, 80.0]), by="2")


def test_each_control_of_an_annotation_is_an_answer_and_each_annotation_somebodys():
    pair = {"type": "pairwise", "value": {"selected": "left"}, "from_name": "r"}
    found = read([task([region("cat"), CHOSEN, pair], [CHOSEN])])
    assert found[1:] == [cats(), cats("2")]
    by_mail = task([CHOSEN], completed_by={"id": 7, "email": "ann@example.org"})
    assert read([by_mail]) == [cats("ann@example.org")]


def test_what_is_neither_a_choice_of_the_image_nor_a_box_is_told_once_of_each_kind():
    pair = {"type": "pairwise", "value": {"selected": "left"}, "from_name": "pair"}
    of_region = {"type": "choices", "value": {**region("cat")["value"], "choices": ["old"]}, "from_name": "age"}
    predicted = {**task([CHOSEN, pair], [pair, of_region]), "predictions": [{"result": [CHOSEN]}]}
    found = read_all([predicted, {"image": "b.jpg", "annotator": 1, "pair": {"selected": "left"}, "choice": "cat"}])
    told = {part.what: part.count for part in found if isinstance(part, Passed)}
    assert told == {"predictions": 1, "pairwise pair": 2, "choices age": 1, "pair": 1}
    assert [part.image for part in found if isinstance(part, Known)] == ["a.jpg", "b.jpg"]


def test_a_row_of_json_min_says_what_a_task_of_json_says():
    about = {"id": 1, "annotator": 1, "annotation_id": 11, "created_at": "2026", "updated_at": "2026", "lead_time": 3.1}
    row = {**about, "image": "/data/upload/1/0ab12cd3-a.jpg"}
    place = {**region("cat")["value"], **SIZE}
    assert read([{**row, "label": [place]}]) == [boxes(("cat", [40.0, 40.0, 120.0, 80.0]))]
    assert read([{**row, "choice": "cat"}]) == [cats()]
    several = Known("a.jpg", [{"category": "cat"}, {"category": "dog"}], classed=True, control="seen", by="1")
    assert read([{**row, "seen": {"choices": ["cat", "dog"]}}]) == [several]


def test_ratings_numbers_and_texts_are_answers_to_a_question_that_is_called_so():
    said = [("stars", "rating", 4), ("count", "number", 2.5), ("notes", "textarea", ["two", "lines"])]
    field = {"textarea": "text"}
    results = [{"from_name": name, "type": kind, "value": {field.get(kind, kind): value}} for name, kind, value in said]
    found = read([task(results)])
    assert [(known.control, known.answer, known.kinds) for known in found if isinstance(known, Known)] == [
        ("stars", 4, ("rating", "number")),
        ("count", 2.5, ("number", "rating")),
        ("notes", "two\nlines", ("text",)),
    ]
    numbers = {"image": "a.jpg", "annotator": 1, "stars": 4}  # a number may be of the task's data, too
    assert read([numbers]) == [
        Known("a.jpg", 4, control="stars", by="1", kinds=("rating", "number")),
        Known("a.jpg", [], boxed=True, by="1", relative=True),
    ]
    (refused,) = read([task([{"from_name": "stars", "type": "rating", "value": {}}])])
    assert isinstance(refused, Refused)


def test_a_turned_rectangle_and_a_polygon_are_the_boxes_around_them():
    (turned,) = read([task([region("cat", x=50, y=50, width=10, height=10, rotation=90)])])
    assert isinstance(turned, Known)
    assert turned.answer[0]["box"] == pytest.approx([180, 100, 20, 40])
    points = {"points": [[10, 20], [40, 20], [25, 60]], "polygonlabels": ["cat", "pet"]}
    polygon = {"from_name": "label", "type": "polygonlabels", "value": points, **SIZE}
    assert read([task([polygon])]) == [boxes(("cat", [40.0, 40.0, 120.0, 80.0]), ("pet", [40.0, 40.0, 120.0, 80.0]))]


def test_without_the_size_of_the_image_boxes_are_shares_of_it():
    bare = {name: value for name, value in region("cat").items() if name not in SIZE}
    (known,) = read([task([bare])])
    assert isinstance(known, Known)
    assert known.relative
    assert known.answer[0]["box"] == pytest.approx([0.25, 0.4, 0.3, 0.4])


def test_ground_truth_comes_first_and_what_was_skipped_or_never_looked_at_says_nothing():
    rows = task([CHOSEN], [CHOSEN])
    rows["annotations"][1]["ground_truth"] = True
    assert read([rows]) == [cats("2"), cats("1")]
    assert read([task(), task([], was_cancelled=True)]) == []
    assert read([task([])]) == [Known("a.jpg", [], boxed=True, by="1", relative=True)]


@pytest.mark.parametrize(
    "wrong",
    [
        region("cat", x="left"),
        region("cat", rectanglelabels=None),
        {**region("cat"), "image_rotation": 90},
        {"from_name": "label", "type": "brushlabels", "value": {"rle": [1], "brushlabels": ["cat"]}, **SIZE},
    ],
)
def test_an_answer_of_which_a_region_is_no_box_is_refused_whole_and_no_other(wrong):
    refused, *found = read([task([region("cat"), wrong, CHOSEN])])
    assert isinstance(refused, Refused)
    assert (refused.where, refused.why) == (
        "a.jpg",
        "An answer of label is neither a choice nor a rectangle with a label.",
    )
    assert found == [cats()]


@pytest.mark.parametrize("wrong", [1, {"annotations": []}, {"data": {"text": "no"}, "annotations": []}, {"text": "no"}])
def test_what_is_no_task_keeps_no_other_from_being_read(wrong):
    refused, known = read([wrong, task([CHOSEN])])
    assert isinstance(refused, Refused)
    assert known == cats()


@pytest.mark.parametrize("text", ["{}", "[", '{"images": []}'])
def test_a_file_of_another_kind_is_refused_in_words(text):
    with pytest.raises(UnreadableError, match=r"export.json (is no export of Label Studio|cannot be read as JSON)"):
        read(text)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/1/0ab12cd3-my%20cat.jpg", "my cat.jpg"),
        ("/data/upload/0ab12cd3-a.jpg", "a.jpg"),
        ("/data/local-files/?d=pets/cat/a.jpg", "pets/cat/a.jpg"),
        ("s3://bucket/pets/a.jpg", "pets/a.jpg"),
        ("https://example.org/pets/a%20b.jpg?Expires=1", "pets/a b.jpg"),
        ("https://example.org/pets/a.jpg?d=500", "pets/a.jpg"),
        ("pets/50%.jpg", "pets/50%.jpg"),
    ],
)
def test_an_address_names_an_image(address, name):
    assert called(address) == name
