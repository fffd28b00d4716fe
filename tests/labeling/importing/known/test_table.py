"""CSV and JSON Lines of other writers: whatever they call the columns, and however a spreadsheet writes them."""

from __future__ import annotations

import json

import pytest

from labeling.importing.known import Known, Refused, UnreadableError
from tests.labeling.importing.conftest import read

"""Label files of strangers: other writers' dialects are understood, damage is named, nothing is believed blindly."""


@pytest.mark.parametrize(
    "line",
    [
        '{"image": "a.jpg"}', "[1, 2]", '{"image": ["a.jpg"], "answer": "cat"}',
        '{"image": "a.jpg", "answer": "cat", "question": ["q"]}', '{"image": ' + "[" * 100_000,
        '{"image": "a.jpg", "answer": ' + "9" * 5000 + "}",
    ],
)  # fmt: skip
def test_a_line_that_is_none_keeps_no_other_line_from_being_read(line):
    refused, taken = read("jsonl", f'{line}\n{{"image": "b.jpg", "answer": "cat"}}\n'.encode(), "a.jsonl")
    assert "line 1" in refused.why
    assert taken == Known("b.jpg", "cat")


def test_a_json_array_is_refused_once_and_told_what_is_expected():
    data = json.dumps([{"image": "a.jpg", "answer": "cat"}] * 3, indent=1).encode()
    with pytest.raises(UnreadableError, match="one JSON object a line"):
        read("jsonl", data, "a.jsonl")


@pytest.mark.parametrize(
    "text",
    [
        "image;answer\r\na.jpg;cat\r\n",
        "image\tanswer\na.jpg\tcat\n",
        "\ufefffilename,class\r\na.jpg,cat\r\n",
        "file_name,label\na.jpg,cat\n",
        '"image";"answer"\n"a.jpg";"cat"\n',
        "annotation_id,annotator,choice,id,image\n1,2,cat,7,/data/upload/3/0ab12cd3-a.jpg\n",
    ],
)
def test_a_csv_may_come_from_a_spreadsheet_or_another_tool(text):
    assert read("csv", text.encode(), "l.csv") == [Known("a.jpg", "cat")]


@pytest.mark.parametrize("row", ['{"image": "a.jpg", "label": "cat"}', '{"file_name": "a.jpg", "label": "cat"}'])
def test_a_line_of_json_may_be_called_as_hugging_face_calls_it(row):
    assert read("jsonl", row.encode(), "l.jsonl") == [Known("a.jpg", "cat")]


def test_a_text_with_every_end_of_a_line_that_unicode_knows_is_one_line_of_json():
    said = "a\u2028b\u2029c\x85d"
    row = json.dumps({"image": "a.jpg", "answer": said}, ensure_ascii=False)
    assert read("jsonl", f"{row}\r\n{row}".encode(), "l.jsonl") == [Known("a.jpg", said)] * 2


BOXES = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def test_a_csv_with_a_line_a_box_holds_the_boxes_of_each_picture():
    text = f"{BOXES}a.jpg,64,48,cat,1,2,11,22\nb.jpg,0,0,,,,,\nc.jpg,64,48,cat,1,2,x,22\na.jpg,64,48,dog,0,0,64,48\n"
    refused, first, second = read("csv", text.encode(), "l.csv")
    assert (type(refused), refused.where) == (Refused, "l.csv, line 4")
    assert first.answer == [
        {"category": "cat", "box": [1, 2, 10, 20]},
        {"category": "dog", "box": [0, 0, 64, 48]},
    ]
    assert (first.image, first.size, second.image, second.answer, second.size) == ("a.jpg", (64, 48), "b.jpg", [], None)


def test_a_csv_with_a_column_a_category_holds_those_with_a_one():
    text = "filename, Cat, dog\na.jpg, 1, 0\nb.jpg, 1, 1\nc.jpg, 0, 0\nd.jpg, 0, maybe\n"
    *found, refused = read("csv", text.encode(), "l.csv")
    said = {known.image: [item["category"] for item in known.answer] for known in found}
    assert said == {"a.jpg": ["Cat"], "b.jpg": ["Cat", "dog"], "c.jpg": []}
    assert (type(refused), refused.where) == (Refused, "l.csv, line 5")


@pytest.mark.parametrize("header", ["id,breed", "image_id,label", "Image,Id", "image,level", "id_code,diagnosis"])
@pytest.mark.parametrize("answers", [["cat", "1"], ["0", "4"]])
def test_a_competition_calls_images_by_an_id_and_the_answer_as_it_likes(header, answers):
    """Where the first of several levels is a 0, the column was taken for one of marks."""
    text = f"{header}\na1,{answers[0]}\nb2,{answers[1]}\n"
    assert read("csv", text.encode(), "l.csv") == [Known("a1", answers[0]), Known("b2", answers[1])]


def test_a_table_of_labels_may_be_the_unicode_text_of_a_spreadsheet():
    assert read("csv", "image\tanswer\nä.jpg\tcat\n".encode("utf-16"), "a.txt") == [Known("ä.jpg", "cat")]


def test_corners_that_are_shares_of_the_image_are_no_pixels():
    text = f"{BOXES}a.jpg,640,480,cat,0.25,0.5,0.75,1\nb.jpg,64,48,,,,,\n"
    first, second = read("csv", text.encode(), "l.csv")
    assert (first.answer, first.relative) == ([{"category": "cat", "box": [0.5, 0.75, 0.5, 0.5]}], True)
    assert second.answer == []
