"""Each format, written from the same rows and read by a reader that is not ours."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from labeling.export import FORMATS, ExportRefusedError, Header, Label, Question, Row, Said
from labeling.export.jsonl import as_object
from labeling.importing import judgments
from labeling.importing.known import READERS, Files, Known

BOX = {"category": "blood cell: red", "box": [10.25, 20.5, 30.125, 40.0]}
WIDE = {"category": "white", "box": [0.0, 0.0, 640.0, 480.0]}


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(buffer, "PNG")
    return buffer.getvalue()


def row(number: int, answer: Any, key: str = "boxes", final: bool = True) -> Row:
    said = Said("wanda", {key: answer}, 2.5, 1, "2026-01-02T03:04:05+00:00")
    label = Label(answer, 0.97, {}, 3, "adaptive", final, "confident" if final else "")
    return Row(number, f"slide-{number}.png", 640, 480, f"{number:064x}", {key: label}, [said], png)


class Repeatable:
    """Rows for several files."""

    def __init__(self, *rows: Row) -> None:
        self.rows = rows

    def __call__(self) -> Iterator[Row]:
        return iter(self.rows)


BOXES = Header("cells", "Cells", [Question("boxes", "boxes", "Box each cell", ["blood cell: red", "white"])], "now")
PETS = Header("pets", "Pets", [Question("pet", "single_choice", "Which?", ["cat", "dog"])], "now")
CELL_ROWS = Repeatable(row(1, [BOX, WIDE]), row(2, []))
PET_ROWS = Repeatable(
    row(1, "cat", "pet"), row(2, "dog", "pet"), row(3, "cant_tell", "pet"), row(4, "cat", "pet", False)
)


def written(name: str, header: Header, rows: Repeatable) -> bytes:
    out = io.BytesIO()
    FORMATS[name].write(header, rows, out)
    return out.getvalue()


def contents(data: bytes) -> object:
    """Of an archive without its clock, by which two that were written on either side of a second differ."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def read_back(name: str, data: bytes) -> list[Known]:
    return list(READERS[name](Files(io.BytesIO(data), f"export.{FORMATS[name].extension}")))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "imagefolder"])
def test_every_format_writes_boxes_and_the_same_rows_give_the_same_file(name):
    once, again = (contents(written(name, BOXES, CELL_ROWS)) for _ in range(2))
    assert once == again


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_walks_once_over_the_images_of_a_project_that_goes_on_changing(name):
    """COCO walked once for the images and once for what is said of them, which was of other images by then."""
    walks = iter([PET_ROWS.rows])
    FORMATS[name].write(PETS, lambda: iter(next(walks)), io.BytesIO())
    assert list(walks) == []


@pytest.mark.parametrize("name", ["coco", "yolo", "voc"])
def test_boxes_of_a_category_that_is_not_asked_for_any_more_are_left_out(name):
    asked = Header("cells", "Cells", [Question("boxes", "boxes", "Box", ["blood cell: red"])], "now")
    rows = Repeatable(row(1, [BOX, WIDE]), row(2, [WIDE]))
    found = read_back(name, written(name, asked, rows))
    assert [[item["category"] for item in known.answer] for known in found] == [["blood cell: red"], []]


def test_pycocotools_reads_our_coco(tmp_path: Path, capsys):
    file = tmp_path / "coco.json"
    file.write_bytes(written("coco", BOXES, CELL_ROWS))
    coco = COCO(str(file))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["blood cell: red", "white"]
    assert [found["bbox"] for found in coco.loadAnns(coco.getAnnIds(imgIds=[1]))] == [BOX["box"], WIDE["box"]]
    assert coco.getAnnIds(imgIds=[2]) == []
    assert coco.loadImgs([2])[0]["file_name"] == "slide-2.png"


def test_coco_writes_a_class_as_a_box_around_the_image():
    document = json.loads(written("coco", PETS, PET_ROWS))
    assert [row["bbox"] for row in document["annotations"]] == [[0, 0, 640, 480]] * 3


def test_yolo_and_voc_write_a_class_as_a_box_around_the_image():
    with zipfile.ZipFile(io.BytesIO(written("yolo", PETS, PET_ROWS))) as archive:
        lines = {name: archive.read(name).decode().split() for name in archive.namelist() if name.startswith("labels/")}
    assert sorted(lines) == [f"labels/slide-{number}.txt" for number in (1, 2, 4)]  # who cannot tell has said nothing
    assert [float(field) for field in lines["labels/slide-2.txt"]] == [1, 0.5, 0.5, 1, 1]
    with zipfile.ZipFile(io.BytesIO(written("voc", PETS, PET_ROWS))) as archive:
        root = ElementTree.fromstring(archive.read("Annotations/slide-2.xml"))
    assert [side.text for side in next(root.iter("bndbox"))] == ["1", "1", "640", "480"]
    assert root.findtext("object/name") == "dog"


def test_yolo_has_shares_and_names_that_a_yaml_reader_takes():
    with zipfile.ZipFile(io.BytesIO(written("yolo", BOXES, CELL_ROWS))) as archive:
        assert yaml.safe_load(archive.read("data.yaml"))["names"] == {0: "blood cell: red", 1: "white"}
        first, second = archive.read("labels/slide-1.txt").decode().splitlines()
        assert [float(field) for field in second.split()] == [1, 0.5, 0.5, 1, 1]
        assert [float(field) * 640 for field in first.split()[1:4:2]] == pytest.approx([25.3125, 30.125], abs=1e-3)
        assert archive.read("labels/slide-2.txt") == b""


def test_voc_counts_corners_from_one():
    with zipfile.ZipFile(io.BytesIO(written("voc", BOXES, CELL_ROWS))) as archive:
        root = ElementTree.fromstring(archive.read("Annotations/slide-1.xml"))
    corners = [[float(side.text or "") for side in box] for box in root.iter("bndbox")]
    assert corners == [[11.25, 21.5, 40.375, 60.5], [1, 1, 640, 480]]
    assert root.findtext("size/width") == "640"


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "jsonl", "csv"])
def test_boxes_come_back_as_they_went_and_go_out_again_the_same(name):
    data = written(name, BOXES, CELL_ROWS)
    found = {known.image.removesuffix(".png"): known for known in read_back(name, data)}
    answers = {image: known.answer for image, known in found.items()}
    if name == "csv":
        answers = {image: json.loads(answer) for image, answer in answers.items()}
    if name == "yolo":
        answers = {
            image: [
                {
                    "category": item["category"],
                    "box": [(x - w / 2) * 640, (y - h / 2) * 480, w * 640, h * 480],
                }
                for item in answer
                for x, y, w, h in [item["box"]]
            ]
            for image, answer in answers.items()
        }
    assert [item["category"] for item in answers["slide-1"]] == ["blood cell: red", "white"]
    for item, expected in zip(answers["slide-1"], [BOX, WIDE], strict=True):
        assert item["box"] == pytest.approx(expected["box"], abs=1e-3)
    assert answers["slide-2"] == []
    again = Repeatable(*(row(number, answers[f"slide-{number}"]) for number in (1, 2)))
    if name != "jsonl":  # which also holds the judgments, that a label file does not bring back
        assert contents(written(name, BOXES, again)) == contents(data)


def test_csv_has_a_line_an_answer_and_survives_odd_text():
    odd = Repeatable(row(1, 'a "quoted", odd\nline', "note"))
    header = Header("notes", "Notes", [Question("note", "text", "Say something")], "now")
    lines = list(csv.DictReader(io.StringIO(written("csv", header, odd).decode(), newline="")))
    assert lines[0]["answer"] == 'a "quoted", odd\nline'
    assert (lines[0]["confidence"], lines[0]["final"], lines[0]["retired_because"]) == ("0.97", "1", "confident")


def test_csv_of_judgments_has_the_columns_of_the_import():
    header = Header("pets", "Pets", PETS.questions, "now", {"judgments": True})
    lines = list(csv.DictReader(io.StringIO(written("csv", header, PET_ROWS).decode(), newline="")))
    assert [(line["image"], line["worker"], line["question"], line["answer"]) for line in lines][:2] == [
        ("slide-1.png", "wanda", "pet", "cat"),
        ("slide-2.png", "wanda", "pet", "dog"),
    ]


def test_image_folders_hold_every_class_as_the_other_formats_do():
    with zipfile.ZipFile(io.BytesIO(written("imagefolder", PETS, PET_ROWS))) as archive:
        assert archive.namelist() == ["cat/slide-1.png", "dog/slide-2.png", "cat/slide-4.png"]
        assert archive.read("cat/slide-1.png") == png()
    found = [(known.image, known.answer) for known in read_back("imagefolder", written("imagefolder", PETS, PET_ROWS))]
    assert found == [("slide-1.png", "cat"), ("slide-2.png", "dog"), ("slide-4.png", "cat")]


def test_categories_whose_folders_would_have_one_name_have_one_each():
    keys = ["a:b", "a/b", "a_b", "..", "cat", "con"]
    labels = [Label(key, 0.9, {}, 1, "adaptive", True) for key in keys]
    rows = [Row(n, f"{n}.png", 4, 3, f"{n:064x}", {"pet": label}, [], png) for n, label in enumerate(labels)]
    header = Header("pets", "Pets", [Question("pet", "single_choice", "Which?", keys)], "now")
    with zipfile.ZipFile(io.BytesIO(written("imagefolder", header, Repeatable(*rows)))) as archive:
        names = ["a_b_2/0.png", "a_b_3/1.png", "a_b/2.png", "_/3.png", "cat/4.png", "_con/5.png"]
        assert archive.namelist() == names


def test_parquet_is_read_by_arrow_with_pictures_posteriors_and_judgments():
    header = Header("pets", "Pets", PETS.questions, "now", {"images": True})
    table = pq.read_table(io.BytesIO(written("parquet", header, PET_ROWS)))
    assert table.num_rows == 4
    first = table.slice(0, 1).to_pylist()[0]
    assert first["image"] == {"bytes": png(), "path": "slide-1.png"}
    assert (first["pet"], first["pet_confidence"], first["judgments"][0]["worker"]) == ("cat", 0.97, "wanda")
    assert json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["image"] == {"_type": "Image"}


def hugging_face_knows(kind: pa.DataType) -> bool:
    """What ``datasets.Features.from_arrow_schema`` takes; it has no map, and refuses the whole file for one."""
    if pa.types.is_struct(kind):
        return all(hugging_face_knows(field.type) for field in kind)
    if pa.types.is_list(kind):
        return hugging_face_knows(kind.value_type)
    return pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_binary(kind)


def test_parquet_has_only_types_that_hugging_face_reads():
    label = Label("cat", 0.9, {"cat": 0.9, "dog": 0.1}, 3, "adaptive", True)
    rows = Repeatable(Row(1, "a.png", 640, 480, "0" * 64, {"pet": label}, [], png))
    table = pq.read_table(io.BytesIO(written("parquet", Header("p", "P", PETS.questions, "now"), rows)))
    assert [field.name for field in table.schema if not hugging_face_knows(field.type)] == []
    assert table.to_pylist()[0]["pet_posterior"] == [
        {"category": "cat", "probability": 0.9},
        {"category": "dog", "probability": 0.1},
    ]


def test_a_question_that_is_called_as_a_column_of_images_has_one_of_its_own():
    keys = ["width", "name", "name_answer", "pet", "pet_final"]
    header = Header("p", "P", [Question(key, "text", key) for key in keys], "now")
    labels = {key: Label(f"said to {key}", 0.9, {}, 1, "adaptive", True) for key in keys}
    rows = Repeatable(Row(1, "a.png", 640, 480, "0" * 64, labels, [], png))
    data = written("parquet", header, rows)
    table = pq.read_table(io.BytesIO(data))
    assert len(set(table.schema.names)) == len(table.schema.names)
    assert (table["width"][0].as_py(), table["name"][0].as_py()) == (640, "a.png")
    assert {known.question: known.answer for known in read_back("parquet", data)} == {
        key: f"said to {key}" for key in keys
    }


def test_who_cannot_tell_is_no_picture_without_objects():
    rows = Repeatable(row(1, [BOX]), row(2, "cant_tell"))
    assert [len(known.answer) for known in read_back("yolo", written("yolo", BOXES, rows))] == [1]
    assert [len(known.answer) for known in read_back("voc", written("voc", BOXES, rows))] == [1]
    assert [known.image for known in read_back("coco", written("coco", BOXES, rows))] == ["slide-1.png"]


def test_a_picture_that_nobody_has_looked_at_comes_back_from_coco_without_an_answer():
    fresh = Row(3, "slide-3.png", 640, 480, "3" * 64, {}, [], png)
    data = written("coco", BOXES, Repeatable(row(1, [BOX]), row(2, []), fresh))
    assert [known.image for known in read_back("coco", data)] == ["slide-1.png", "slide-2.png"]
    assert [image["id"] for image in json.loads(data)["images"]] == [1, 2, 3]


def test_a_picture_that_came_in_the_folder_of_its_category_stays_there():
    label = Label("cat", 0.9, {}, 1, "adaptive", True)
    rows = Repeatable(*(Row(n, name, 4, 3, f"{n:064x}", {"pet": label}, [], png) for n, name in enumerate(
        ["cat/a.png", "dog/a.png", "b.png"])))  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(written("imagefolder", PETS, rows))) as archive:
        assert archive.namelist() == ["cat/a.png", "cat/1-a.png", "cat/b.png"]


def test_a_picture_lies_in_its_category_s_folder_itself_whatever_folders_it_came_in():
    """Hugging Face took the folder below for the category, and none at all where some had one and others not."""
    label = Label("cat", 0.9, {}, 1, "adaptive", True)
    names = ["photos/a.png", "2-b.png", "x/3-c.png", "cat/2026/d.png"]
    rows = [Row(n, name, 4, 3, f"{n:064x}", {"pet": label}, [], png) for n, name in enumerate(names, start=1)]
    data = written("imagefolder", PETS, Repeatable(*rows))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["cat/1-a.png", "cat/2-b.png", "cat/3-c.png", "cat/4-d.png"]
    hashes = {known.sha256 for known in read_back("imagefolder", data)}
    assert hashes == {hashlib.sha256(png()).hexdigest()}  # by which their images are found again


def test_ultralytics_finds_the_labels_of_our_pictures_from_wherever_it_runs():
    """It begins a path that data.yaml names where it runs, though there be no such pictures."""
    header = Header("cells", "Cells", BOXES.questions, "now", {"images": True})
    names = ["a.png", "images/a.png", "images_/a.png", "x/images/y/b.png"]
    label = Label([BOX], 0.9, {}, 1, "adaptive", True)
    rows = [Row(n, name, 640, 480, f"{n:064x}", {"boxes": label}, [], png) for n, name in enumerate(names)]
    data = written("yolo", header, Repeatable(*rows))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        told = yaml.safe_load(archive.read("data.yaml"))
        entries = archive.namelist()
    assert "path" not in told
    assert told["nc"] == len(told["names"]) == 2
    pictures = [f"/{name}" for name in entries if name.startswith(f"{told['train']}/")]
    assert len(set(pictures)) == 4
    for picture in pictures:
        above, below = picture.rsplit("/images/", 1)
        assert f"{above}/labels/{below}".removesuffix(".png")[1:] + ".txt" in entries
    assert {known.sha256 for known in read_back("yolo", data)} == {row.sha256 for row in rows}


@pytest.mark.parametrize("name", ["coco", "yolo", "voc"])
def test_formats_of_boxes_say_so_when_there_are_neither_boxes_nor_classes(name):
    with pytest.raises(ExportRefusedError, match="has neither"):
        written(name, Header("notes", "Notes", [Question("note", "text", "Say something")], "now"), PET_ROWS)


def test_image_folders_say_so_when_there_is_no_class():
    with pytest.raises(ExportRefusedError, match="one category per image"):
        written("imagefolder", BOXES, CELL_ROWS)


def test_a_workers_words_are_no_formula_in_a_spreadsheet_and_come_back_as_they_were() -> None:
    formula = '=HYPERLINK("http://evil.example","ok")'
    asked = Header("pets", "Pets", [Question("note", "text", "Say")], "now", {"judgments": True})
    data = written("csv", asked, Repeatable(row(1, formula, "note")))
    assert next(csv.DictReader(io.StringIO(data.decode())))["answer"] == f"'{formula}"
    assert [line.answer for line in judgments.read(io.BytesIO(data))] == [formula]


def test_json_lines_tell_the_language_of_a_judgment_where_it_is_known():
    of_one = row(1, "cat", "category")
    of_two = replace(of_one, judgments=[*of_one.judgments, replace(of_one.judgments[0], language="hi")])
    first, second = as_object(of_two)["judgments"]
    assert "language" not in first
    assert second == {**first, "language": "hi"}


def test_voc_lists_its_images_for_readers_that_look_for_none_else():
    rows = Repeatable(replace(row(1, [BOX]), name="a b/slide.v1.png"), row(2, []))
    with zipfile.ZipFile(io.BytesIO(written("voc", BOXES, rows))) as archive:
        listed = archive.read("ImageSets/Main/trainval.txt").decode().splitlines()
        assert [f"Annotations/{stem}.xml" for stem in listed] == [name for name in archive.namelist() if "Ann" in name]
    assert listed == ["a b/slide.v1", "slide-2"]
