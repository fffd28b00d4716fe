"""Label files of strangers: damage is named, nothing is believed blindly."""

from __future__ import annotations

import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labeling.importing.known import READERS, Known, UnreadableError
from labeling.importing.known.lines import not_utf8
from tests.labeling.importing.conftest import packed, read


def test_voc_with_entities_is_refused():
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><annotation><filename>&b;</filename></annotation>'
    good = "<annotation><filename>b.jpg</filename></annotation>"
    refused, taken = read("voc", packed({"a.xml": bomb, "b.xml": good}))
    assert (refused.where, taken) == ("a.xml", Known("b.jpg", [], boxed=True))
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


def test_one_damaged_file_of_a_zip_keeps_no_other_from_being_read():
    found = read("coco", packed({"a.json": "{", "b.json": '{"categories": [], "images": [], "annotations": []}'}))
    assert [part.where for part in found] == ["a.json"]


def test_image_folders_skip_hidden_files_and_what_is_no_picture():
    data = packed(
        {"cat/a.jpg": "x", "cat/notes.txt": "x", "__MACOSX/cat/a.jpg": "x", "dog/deep/b.png": "x", "c.jpg": ""}
    )
    found = [(known.image, known.answer, known.path) for known in read("imagefolder", data)]
    assert found == [("a.jpg", "cat", "cat/a.jpg"), ("deep/b.png", "dog", "dog/deep/b.png")]


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
@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b damaged",
        b"a" * 257 + b"ustar" + b"b" * 250,
        b"PK\x03\x04 damaged",
        packed({"\u00fc.xml": ""}).replace("\u00fc".encode(), b"\xff\xff"),  # a name that says it is UTF-8
    ],
)
def test_an_archive_that_is_none_is_refused_in_words(form, data):
    with pytest.raises(UnreadableError, match=r"l\.any"):
        read(form, data, "l.any")


def test_an_empty_zip_holds_no_labels():
    assert read("voc", packed({})) == []


def test_image_folders_without_an_archive_are_refused_instead_of_holding_nothing():
    with pytest.raises(UnreadableError, match="zip or a tar"):
        read("imagefolder", b"\xff\xd8\xff", "cat.jpg")


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
