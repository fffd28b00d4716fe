"""CVAT for images 1.1: what of its XML is a choice or a box, what is refused, and that no file can do harm."""

from __future__ import annotations

import io

import pytest

from labeling.importing.known import READERS, Files, Known, Passed, Refused, UnreadableError
from labeling.importing.known import files as bounds
from tests.labeling.importing.conftest import packed

META = (
    "<version>1.1</version><meta><task><name>pets</name><labels><label><name>cat</name></label></labels></task></meta>"
)
BOX = '<box label="cat" source="manual" occluded="0" xtl="10.00" ytl="20.00" xbr="40.00" ybr="60.50" z_order="0"/>'


def read(*images: str, name: str = "annotations.xml") -> list[Known | Refused | Passed]:
    return read_xml(f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>{META}{"".join(images)}</annotations>', name)


def read_xml(text: str | bytes, name: str = "annotations.xml") -> list[Known | Refused | Passed]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(READERS["cvat"](Files(io.BytesIO(data), name)))


def image(*inside: str, name: str = "pets/a.jpg") -> str:
    return f'<image id="0" name="{name}" width="400" height="200">{"".join(inside)}</image>'


def boxes(*found: list[float], label: str = "cat") -> Known:
    return Known("pets/a.jpg", [{"category": label, "box": box} for box in found], boxed=True, size=(400, 200))


def test_a_tag_is_a_choice_and_a_box_a_box_of_the_image():
    cat, dog = '<tag label="cat" source="manual"></tag>', '<tag label="dog"/>'
    chosen = Known("pets/a.jpg", [{"category": "cat"}, {"category": "dog"}], classed=True)
    assert read(image(cat, BOX, dog)) == [chosen, boxes([10, 20, 30, 40.5])]


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ('<polygon label="cat" points="10,20;40.00,20.00;25.5,60"/>', [10, 20, 30, 40]),
        ('<mask label="cat" rle="3, 5" left="7" top="8" width="4" height="2"/>', [7, 8, 4, 2]),
        ('<ellipse label="cat" cx="50" cy="60" rx="10" ry="20" rotation="90"/>', [30, 50, 40, 20]),
        ('<box label="cat" xtl="10" ytl="20" xbr="40" ybr="40" rotation="90.0"/>', [15, 15, 20, 30]),
    ],
)
def test_a_shape_with_a_box_around_it_stands_for_that(shape, box):
    (known,) = read(image(shape))
    assert isinstance(known, Known)
    assert known.answer[0]["box"] == pytest.approx(box)


@pytest.mark.parametrize(
    "shape",
    [
        '<points label="nose" points="1,2"/>',
        '<polyline label="nose" points="1,2;3,4"/>',
        '<cuboid label="nose" xtl1="1" ytl1="2"/>',
        '<skeleton label="nose"><points label="tip" points="1,2"/><points label="end" points="3,4"/></skeleton>',
        '<box label="nose" xtl="1" ytl="2" xbr="left" ybr="4"/>',
        '<polygon label="nose"/>',
    ],
)
def test_a_shape_without_a_box_refuses_the_boxes_of_its_image_alone(shape):
    refused, other = read(image(BOX, shape), image(BOX))
    assert isinstance(refused, Refused)
    assert refused.where == "pets/a.jpg"
    assert refused.why.endswith("of 'nose' is no box, nor is there one around it; its boxes are not taken.")
    assert other == boxes([10, 20, 30, 40.5])


def test_attributes_and_images_without_an_annotation_are_told_once_of_each_kind():
    red = '<tag label="cat"><attribute name="colour">red</attribute><attribute name="old">true</attribute></tag>'
    found = read(image(red), image(red, name="b.jpg"), image(name="c.jpg"))
    assert [part.image for part in found if isinstance(part, Known)] == ["pets/a.jpg", "b.jpg"]
    told = [(part.what, part.count) for part in found if isinstance(part, Passed)]
    assert told == [("attribute colour", 2), ("attribute old", 2), ("image", 1)]


def test_the_file_is_found_in_the_zip_that_it_comes_in():
    archive = packed({"annotations.xml": f"<annotations>{image(BOX)}</annotations>", "images/pets/a.jpg": b"-"})
    assert read_xml(archive, "task.zip") == [boxes([10, 20, 30, 40.5])]


def test_utf_16_is_read_as_its_mark_says():
    text = f'<?xml version="1.0" encoding="utf-16"?><annotations>{image(BOX, name="बिल्ली.jpg")}</annotations>'
    (known,) = read_xml(text.encode("utf-16"))
    assert isinstance(known, Known)
    assert known.image == "बिल्ली.jpg"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<annotation><object/></annotation>", "is no"),
        ("<annotations><track label='cat'><box frame='0'/></track></annotations>", "CVAT for video"),
        ("<!DOCTYPE a [<!ENTITY b 'b'>]><annotations>&b;</annotations>", "declares a document type"),
        ("<annotations><image>", "cannot be read as XML"),
        ("[]", "cannot be read as XML"),
        ("", "cannot be read as XML"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_words(text, why):
    with pytest.raises(UnreadableError, match=why):
        read_xml(text)


def test_what_stands_before_a_damaged_place_is_read():
    reader = READERS["cvat"](Files(io.BytesIO(f"<annotations>{image(BOX)}<image".encode()), "a.xml"))
    assert next(reader) == boxes([10, 20, 30, 40.5])
    with pytest.raises(UnreadableError, match="cannot be read as XML"):
        next(reader)


def test_a_file_that_is_larger_than_is_read_is_refused_whatever_its_zip_said(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_ENTRY", 1000)
    large = f"<annotations>{image(BOX) * 20}</annotations>"
    with pytest.raises(UnreadableError, match="larger than"):
        read_xml(large)
    (refused,) = (part for part in read_xml(packed({"a.xml": large})) if isinstance(part, Refused))
    assert "larger than" in refused.why
