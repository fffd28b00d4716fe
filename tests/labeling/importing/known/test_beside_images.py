"""LabelMe and Supervisely, which write a file beside each image: shapes, and choices of the whole image."""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import Any

import pytest

from labeling.importing.known import READERS, Files, Known, Passed, Refused, UnreadableError
from tests.labeling.conftest import picture
from tests.labeling.importing.conftest import packed


def read(form: str, entries: dict[str, Any]) -> list[Any]:
    data = packed({name: json.dumps(entry) for name, entry in entries.items()})
    return list(READERS[form](Files(io.BytesIO(data), "labels.zip")))


def labelme(*shapes: tuple[str, str, list[list[float]]], path: str = "a.jpg", **flags: bool) -> dict[str, Any]:
    told = [{"label": label, "shape_type": kind, "points": points} for label, kind, points in shapes]
    return {"shapes": told, "flags": flags, "imagePath": path, "imageData": None, "imageHeight": 48, "imageWidth": 64}


def supervisely(*objects: dict[str, Any], tags: tuple[tuple[str, Any], ...] = ()) -> dict[str, Any]:
    told = [{"name": name, "value": value} for name, value in tags]
    return {"size": {"width": 64, "height": 48}, "tags": told, "objects": list(objects)}


def of(kind: str, *exterior: list[float]) -> dict[str, Any]:
    return {"classTitle": "cat", "geometryType": kind, "points": {"exterior": exterior, "interior": []}}


@pytest.mark.parametrize(
    ("kind", "points", "box"),
    [
        ("rectangle", [[30, 40], [10, 5.5]], [10, 5.5, 20, 34.5]),  # drawn from the lower right
        ("polygon", [[10, 5], [30, 8], [12, 40]], [10, 5, 20, 35]),
        ("circle", [[20, 20], [23, 24]], [15, 15, 10, 10]),
    ],
)
def test_a_shape_of_labelme_is_the_box_around_it(kind: str, points: list[list[float]], box: list[float]) -> None:
    (known,) = read("labelme", {"day/a.json": labelme(("cat", kind, points))})
    told = [{"category": "cat", "box": box}]
    assert known == Known("a.jpg", told, path="day/a.jpg", boxed=True, size=(64, 48))


def test_flags_of_labelme_are_choices_and_a_file_without_either_tells_that_nothing_is_there() -> None:
    chosen, empty = read(
        "labelme", {"a.json": labelme(path="..\\img\\a.jpg", cat=True, dog=False), "b.json": labelme(path="b.jpg")}
    )
    assert chosen == Known("../img/a.jpg", [{"category": "cat"}], classed=True)
    assert empty == Known("b.jpg", [], boxed=True, size=(64, 48))


def test_objects_of_supervisely_are_boxes_and_its_tags_choices() -> None:
    drawn = base64.b64encode(zlib.compress(picture(1, size=(12, 8)))).decode()
    mask = {"classTitle": "dog", "geometryType": "bitmap", "bitmap": {"origin": [3, 4], "data": drawn}}
    boxed, chosen, other, passed, nobody = read(
        "supervisely",
        {
            "meta.json": {"classes": [], "tags": []},
            "ds/ann/a.jpg.json": supervisely(of("rectangle", [1, 2], [11, 22]), mask),
            "ds/ann/b.jpg.json": supervisely(tags=(("cat", None), ("weather", "rain"), ("sharpness", 3))),
            "ds/ann/c.jpg.json": supervisely(),
        },
    )
    boxes = [{"category": "cat", "box": [1, 2, 10, 20]}, {"category": "dog", "box": [3, 4, 12, 8]}]
    assert boxed == Known("a.jpg", boxes, path="ds/img/a.jpg", boxed=True, size=(64, 48))
    assert chosen == Known("b.jpg", [{"category": "cat"}], path="ds/img/b.jpg", classed=True)
    assert (other.control, other.answer) == ("weather", [{"category": "rain"}])
    assert {passed.what, nobody.what} == {"tag sharpness", "image"}
    assert all(isinstance(part, Passed) for part in (passed, nobody))


@pytest.mark.parametrize(
    ("form", "entry"),
    [
        ("labelme", labelme(("cat", "rectangle", [[1, 2], [3, 4]]), ("cat", "line", [[1, 2], [3, 4]]))),
        ("labelme", labelme(("cat", "circle", [[1, 2]]))),
        ("supervisely", supervisely(of("rectangle", [1, 2], [3, 4]), of("line", [1, 2], [3, 4]))),
        ("supervisely", supervisely(of("polygon"))),
        (
            "supervisely",
            supervisely({"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": "eJw="}}),
        ),
    ],
)
def test_a_shape_without_a_box_refuses_its_image(form: str, entry: dict[str, Any]) -> None:
    (refused,) = read(form, {"ann/a.jpg.json": entry})
    assert (type(refused), refused.where) == (Refused, "a.jpg")


@pytest.mark.parametrize("form", ["labelme", "supervisely"])
@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"shapes": 1, "objects": 1}', b"[" * 100_000])
def test_a_file_of_another_tool_is_refused_in_words(form: str, data: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"^a\.json is no "):
        list(READERS[form](Files(io.BytesIO(data), "a.json")))
