"""COCO of other writers: what is wrong is refused by image, and what is something else is told in words."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from labeling.importing.known import Known, Refused, UnreadableError, coco, files
from tests.labeling.importing.conftest import read


def test_coco_refuses_what_is_wrong_by_image_and_takes_the_rest():
    document = {
        "categories": [{"id": 3, "name": "cat"}],
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}, {"id": 5}, 7],
        "annotations": [
            {"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"image_id": 2, "category_id": 4, "bbox": [1, 2, 3, 4]},
            {"image_id": [1], "category_id": 3, "bbox": [1, 2, 3, 4]}, None,
        ],
    }  # fmt: skip
    found = read("coco", json.dumps(document).encode(), "a.json")
    assert [part for part in found if isinstance(part, Known)] == [
        Known("a.jpg", [{"category": "cat", "box": [1, 2, 3, 4]}], boxed=True)
    ]
    assert [part.where for part in found if isinstance(part, Refused)] == [
        "a.json, images[2]", "a.json, images[3]", "a.json, annotations[1]", "a.json, annotations[4]",
        "a.json, annotations[5]", "b.jpg",
    ]  # fmt: skip
    assert "annotations[3]" in found[-1].why


def test_coco_crowds_are_passed_over_and_images_without_boxes_stay():
    document = (
        '{"categories": [{"id": 3, "name": "cat"}], "images": [{"id": 1, "file_name": "a.jpg"}, '
        '{"id": 2, "file_name": "b.jpg"}], "annotations": ['
        '{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}, '
        '{"image_id": 1, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1}]}'
    )
    found = read("coco", document.encode(), "a.json")
    boxes = [{"category": "cat", "box": [1, 2, 3, 4]}]
    assert found == [Known("a.jpg", boxes, boxed=True, crowds=("cat",)), Known("b.jpg", [], boxed=True)]


def test_coco_is_read_in_little_memory_and_may_be_larger_than_other_files(monkeypatch):
    """COCO's own annotations have half a gigabyte, and tell of the categories last."""
    monkeypatch.setattr(files, "PIECE", 10_000)
    monkeypatch.setattr(files, "MOST_ENTRY", 10_000)
    rows = [{"id": number, "file_name": f"{number}.jpg"} for number in range(50)]
    outline = {"category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": [[number / 2 for number in range(2000)]]}
    found = [{**outline, "image_id": row["id"]} for row in [*rows, *rows]]
    data = json.dumps({"annotations": found, "images": rows, "categories": [{"id": 1, "name": "cat"}]}).encode()
    tracemalloc.start()
    try:
        known = read("coco", data, "a.json")
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    boxes = [{"category": "cat", "box": [1, 2, 3, 4]}] * 2
    assert known == [Known(row["file_name"], boxes, boxed=True) for row in rows]
    assert most < len(data) / 2
    monkeypatch.setattr(coco, "MOST_OF_IMAGE", 1)
    assert {(type(part), part.why) for part in read("coco", data, "a.json")} == {
        (Refused, "At most 1 annotations of an image are read.")
    }
    monkeypatch.setattr(coco, "MOST", 10_000)
    with pytest.raises(UnreadableError, match="Send it in several parts"):
        read("coco", data, "a.json")


def test_an_id_that_two_images_or_two_categories_of_coco_have_says_nothing_of_either():
    document = {
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}, {"id": 4, "name": "cow"}],
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}, {"id": 1, "file_name": "c.jpg"},
                   {"id": 2, "file_name": "b.jpg"}, {"id": 3, "file_name": "d.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"image_id": 3, "category_id": 4, "bbox": [1, 2, 3, 4]},
        ],
    }  # fmt: skip
    found = read("coco", json.dumps(document).encode(), "a.json")
    assert [part.image for part in found if isinstance(part, Known)] == ["b.jpg"]
    assert sorted(part.where for part in found if isinstance(part, Refused)) == ["a.jpg", "c.jpg", "d.jpg"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[{"image": "a.jpg"}]', "expected one object with the lists images, annotations and categories"),
        ('{"images": [], "annotations": []}', "expected one object with the lists"),
        ("{", "cannot be read as JSON"),
        ("7", "expected one object with the lists"),
        ('{"a.jpg9": {"filename": "a.jpg", "size": 9, "regions": []}}', "VIA.* COCO format"),
        ('{"_via_settings": {}, "_via_img_metadata": {}}', "VIA.* COCO format"),
        ('[{"image": "a.jpg", "annotations": []}]', "Create ML.* COCO or Pascal VOC"),
        ('[{"imagefilename": "a.jpg", "annotation": []}]', "Create ML.* COCO or Pascal VOC"),
        ('[{"id": 1, "annotations": [], "data": {"image": "a.jpg"}}]', "Label Studio's own JSON"),
    ],
)
def test_what_is_no_coco_is_told_in_words_and_not_in_python(text, told):
    with pytest.raises(UnreadableError, match=told) as refused:
        read("coco", text.encode(), "l.json")
    assert "Error" not in refused.value.args[0]


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ({}, {}),
        ({"segmentation": []}, {}),
        ({"segmentation": {"counts": [3, 2], "size": [8, 8]}}, {}),
        ({"segmentation": [[1, 2, 4.5, 2, 3, 6], [0, 3, 1, 3, 1, 4]]}, {"box": [0, 2, 4.5, 4]}),
        ({"segmentation": [[1, 2, 4.5, 2, 3, 6]], "bbox": []}, {"box": [1, 2, 3.5, 4]}),
        ({"segmentation": [[1, 2, 4.5, 2, 3, 6]], "bbox": [1, 2, 3, 4]}, {"box": [1, 2, 3, 4]}),
    ],
)
def test_coco_without_boxes_tells_those_around_outlines_or_else_classes(shape, box):
    document = {
        "categories": [{"id": 3, "name": "cat"}],
        "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}],
        "annotations": [{"image_id": 1.0, "category_id": 3, **shape}],
    }
    [known] = read("coco", json.dumps(document).encode(), "a.json")
    assert (known.image, known.answer) == ("a.jpg", [{"category": "cat", **box}])
