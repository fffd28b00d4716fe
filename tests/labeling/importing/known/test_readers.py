"""Label files of strangers: other writers' dialects are understood, damage is named, nothing is believed blindly."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
import tracemalloc
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labeling.importing.known import READERS, Files, Known, Refused, UnreadableError, coco, files
from labeling.importing.known.lines import not_utf8
from labeling.importing.known.yolo import class_names
from tests.labeling.importing.conftest import packed


def read(form: str, data: bytes, name: str = "labels.zip") -> list[Any]:
    return list(READERS[form](Files(io.BytesIO(data), name)))


@pytest.mark.parametrize(
    "text",
    ["names: [cat, 'dog house']", 'names:\n- cat\n- "dog house"\n', "nc: 2\nnames:\n  0: cat\n  1: dog house\n"],
)
def test_the_three_ways_of_writing_class_names_are_one(text):
    assert class_names(text) == {0: "cat", 1: "dog house"}


def test_yolo_reads_classes_txt_where_there_is_no_yaml():
    data = packed({"classes.txt": "cat\ndog\n", "labels/train/a.txt": "1 0.5 0.5 0.2 0.4\n"})
    assert read("yolo", data) == [Known("train/a", [{"category": "dog", "box": [0.5, 0.5, 0.2, 0.4]}], relative=True)]


@pytest.mark.parametrize(
    "text",
    ["names: ['cat, big', dog]", "names:\n  0: cat, big # a tom\n  1: dog\n", 'names: {0: "cat, big", 1: dog}'],
)
def test_a_class_may_hold_a_comma_and_a_line_a_comment(text):
    assert class_names(text) == {0: "cat, big", 1: "dog"}


def test_a_class_that_looks_like_something_else_is_text():
    assert class_names('names: [yes, 01, null, "\\ud83d\\ude00"]') == {0: "yes", 1: "01", 2: "null", 3: "😀"}


def test_class_names_that_grow_without_bound_are_refused_before_they_do():
    """Nine lists of ten aliases each would be a text of gigabytes."""
    lists = ["a: &a [l, l, l, l, l, l, l, l, l, l]"]
    lists += [f"{one}: &{one} [{', '.join(10 * [f'*{last}'])}]" for last, one in itertools.pairwise("abcdefghi")]
    with pytest.raises(UnreadableError, match="expected the name of a class"):
        class_names("\n".join([*lists, "names: [*i]"]))
    with pytest.raises(UnreadableError, match="more than 2 MB"):
        class_names("names: [" + "cat, " * 500_000 + "]")


def test_yolo_takes_the_labels_of_each_split_and_no_file_beside_them():
    data = packed(
        {
            "data.yaml": "names: [cat]", "hyp.yaml": "lr: 0.1", "README.dataset.txt": "Taken from the web.",
            "train/labels/a.txt": "0 0.5 0.5 0.2 0.4", "labels/val/a.txt": "",
        }
    )  # fmt: skip
    assert [(known.image, len(known.answer)) for known in read("yolo", data)] == [("train/a", 1), ("val/a", 0)]


def test_a_class_may_be_written_as_a_number_with_a_fraction_as_numpy_does():
    lines = "1.000000e+00 0.5 0.5 0.1 0.1\n0.0 0.5 0.5 0.1 0.1"
    (known,) = read("yolo", packed({"data.yaml": "names: [cat, dog]", "labels/a.txt": lines}))
    assert [item["category"] for item in known.answer] == ["dog", "cat"]


@pytest.mark.parametrize(
    "line",
    [
        "0.5 0.5 0.5 0.1 0.1",
        "inf 0.5 0.5 0.1 0.1",
        "7 0.5 0.5 0.1 0.1",
        "cat 0.5 0.5 0.1 0.1",
        "0 x y w h",
        "0 0.5 0.5",
        "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4",
    ],
)
def test_yolo_names_the_line_that_is_no_box(line):
    good = "0 0.5 0.5 0.1 0.1"
    found = read("yolo", packed({"data.yaml": "names: [cat]", "labels/a.txt": line, "labels/b.txt": good}))
    assert [type(part) for part in found] == [Refused, Known]
    assert (found[0].where, found[1].image) == ("labels/a.txt", "b")
    assert "line 1" in found[0].why


def test_yolo_without_class_names_says_what_is_missing():
    with pytest.raises(UnreadableError, match=r"data\.yaml"):
        read("yolo", packed({"labels/a.txt": "0 0.5 0.5 0.1 0.1"}))


def test_voc_with_entities_is_refused():
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><annotation><filename>&b;</filename></annotation>'
    good = "<annotation><filename>b.jpg</filename></annotation>"
    refused, taken = read("voc", packed({"a.xml": bomb, "b.xml": good}))
    assert (refused.where, taken) == ("a.xml", Known("b.jpg", []))
    assert "document type" in refused.why
    with pytest.raises(UnreadableError, match="document type"):
        read("voc", bomb.encode(), "a.xml")


@pytest.mark.parametrize(
    ("form", "name", "data"),
    [
        ("coco", "a.json", b"{"),
        ("coco", "a.json", b'{"images": [], "annotations": []}'),
        ("voc", "a.xml", b"<annotation>"),
        ("voc", "a.xml", b"<annotations><image name='a.jpg'/></annotations>"),
        ("csv", "a.csv", b"picture,truth\n1,2\n"),
        ("parquet", "a.parquet", b"PAR1 and no more of it"),
        ("csv", "a.csv", b"\xff\xfe\x00bad"),
        ("yolo", "a.zip", b"PK\x03\x04 cut off"),
        ("coco", "a.json", b"[" * 100_000),
        ("coco", "a.json", b'{"images": [{"id": ' + b"9" * 5000 + b"}]}"),
        ("voc", "a.xml", b"<?xml version='1.0' encoding='none'?><annotation/>"),
        ("voc", "a.xml", '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><annotation/>'.encode("utf-16")),
        ("csv", "a.csv", b'"' + b"a" * 1_100_000 + b'",answer\n'),
        ("yolo", "a.zip", packed({"data.yaml": 'names: ["ca\\x", dog]', "a.txt": "0 0.5 0.5 0.1 0.1"})),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_in_words(form, name, data):
    with pytest.raises(UnreadableError, match=r"[^.]\.$"):
        read(form, data, name)


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
        Known("a.jpg", [{"category": "cat", "box": [1, 2, 3, 4]}])
    ]
    assert [part.where for part in found if isinstance(part, Refused)] == [
        "a.json, images[2]", "a.json, images[3]", "a.json, annotations[1]", "a.json, annotations[4]",
        "a.json, annotations[5]", "b.jpg",
    ]  # fmt: skip
    assert "annotations[3]" in found[-1].why


def test_one_damaged_file_of_a_zip_keeps_no_other_from_being_read():
    found = read("coco", packed({"a.json": "{", "b.json": '{"categories": [], "images": [], "annotations": []}'}))
    assert [part.where for part in found] == ["a.json"]


def test_coco_crowds_are_passed_over_and_images_without_boxes_stay():
    document = (
        '{"categories": [{"id": 3, "name": "cat"}], "images": [{"id": 1, "file_name": "a.jpg"}, '
        '{"id": 2, "file_name": "b.jpg"}], "annotations": ['
        '{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}, '
        '{"image_id": 1, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1}]}'
    )
    found = read("coco", document.encode(), "a.json")
    assert found == [Known("a.jpg", [{"category": "cat", "box": [1, 2, 3, 4]}], crowds=("cat",)), Known("b.jpg", [])]


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
    assert known == [Known(row["file_name"], [{"category": "cat", "box": [1, 2, 3, 4]}] * 2) for row in rows]
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


def test_image_folders_skip_hidden_files_and_what_is_no_picture():
    data = packed(
        {"cat/a.jpg": "x", "cat/notes.txt": "x", "__MACOSX/cat/a.jpg": "x", "dog/deep/b.png": "x", "c.jpg": ""}
    )
    found = [(known.image, known.answer, known.path) for known in read("imagefolder", data)]
    assert found == [("a.jpg", "cat", "cat/a.jpg"), ("deep/b.png", "dog", "dog/deep/b.png")]


@pytest.mark.parametrize("names", ["obj.names", "cfg/coco.names", "obj_train_data/_darknet.labels"])
def test_yolo_reads_the_names_that_darknet_cvat_and_roboflow_write(names):
    data = packed(
        {
            "obj.data": "names = data/obj.names", names: "cat\ndog\n", "train.txt": "data/obj_train_data/a.jpg",
            "obj_train_data/a.txt": "1 0.5 0.5 0.2 0.4\n",
        }
    )  # fmt: skip
    assert read("yolo", data) == [
        Known("obj_train_data/a", [{"category": "dog", "box": [0.5, 0.5, 0.2, 0.4]}], relative=True)
    ]


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("names: [cat]", "0 0.4 0.3 0.6 0.3 0.6 0.7 0.4 0.7"),
        ("names: [cat]", "0 0.5 0.3 0.6 0.7 0.4 0.7"),
        ("names: [cat]\nkpt_shape: [2, 2]", "0 0.5 0.5 0.2 0.4 0.45 0.45 0.55 0.55"),
        ("names: [cat]\nkpt_shape: [1, 3]", "0 0.5 0.5 0.2 0.4 0.45 0.45 2"),
    ],
)
def test_a_polygon_is_the_box_around_it_and_the_points_of_a_pose_are_passed_over(yaml, line):
    (known,) = read("yolo", packed({"data.yaml": yaml, "labels/a.txt": line}))
    assert known.answer[0]["box"] == pytest.approx([0.5, 0.5, 0.2, 0.4])


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


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_labels_come_in_a_tar_too(mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, text in {"./data.yaml": "names: [cat]", "./labels/a.txt": "0 0.5 0.5 0.2 0.4\n" * 60_000}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("labels/b.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (known,) = read("yolo", buffer.getvalue(), "labels.tar")
    assert (known.image, len(known.answer)) == ("a", 60_000)


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("data", [b"\x1f\x8b damaged", b"a" * 257 + b"ustar" + b"b" * 250, b"PK\x03\x04 damaged"])
def test_an_archive_that_is_none_is_refused_in_words(form, data):
    with pytest.raises(UnreadableError, match=r"l\.any"):
        read(form, data, "l.any")


def test_an_empty_zip_holds_no_labels():
    assert read("voc", packed({})) == []


def test_image_folders_without_an_archive_are_refused_instead_of_holding_nothing():
    with pytest.raises(UnreadableError, match="zip or a tar"):
        read("imagefolder", b"\xff\xd8\xff", "cat.jpg")


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


def test_what_is_wrong_with_a_file_is_said_once():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"name": ["a.jpg"], "labels": [1]}), buffer)
    for form, data, told in (
        ("coco", b"\xff", f"l.any: {not_utf8()}"),
        ("csv", "image,answer\né.jpg,cat\n".encode("cp1252"), f"l.any: {not_utf8()}"),
        (
            "yolo",
            packed({"data.yaml": "names: coco.names"}),
            "A YOLO zip needs the names of its classes: data.yaml or classes.txt.",
        ),
        ("yolo", b"0 .5 .5 .1 .1\n", "A YOLO zip needs the names of its classes: data.yaml or classes.txt."),
        ("parquet", buffer.getvalue(), "l.any needs the columns image and answer; it has name, labels."),
    ):
        with pytest.raises(UnreadableError) as refused:
            read(form, data, "l.any")
        assert refused.value.args[0] == told


def test_a_table_of_labels_may_be_the_unicode_text_of_a_spreadsheet():
    assert read("csv", "image\tanswer\nä.jpg\tcat\n".encode("utf-16"), "a.txt") == [Known("ä.jpg", "cat")]


def test_corners_that_are_shares_of_the_image_are_no_pixels():
    text = f"{BOXES}a.jpg,640,480,cat,0.25,0.5,0.75,1\nb.jpg,64,48,,,,,\n"
    first, second = read("csv", text.encode(), "l.csv")
    assert (first.answer, first.relative) == ([{"category": "cat", "box": [0.5, 0.75, 0.5, 0.5]}], True)
    assert second.answer == []


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
