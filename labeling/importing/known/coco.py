"""COCO: boxes of each image; images without annotations were looked at and hold nothing, unless ``labeled`` is false.

A region of a crowd (``iscrowd``) is no box of one thing, and says all the same that such things are there. An id that
two images or two categories have, as where files were put together, says of neither what is meant. Of an annotation
without a ``bbox`` the box is around its outline; those without either, as iNaturalist's and those of camera traps are,
are classes of the whole image.

COCO's own file of annotations has half a gigabyte, and anything may stand in it before anything else: what is wanted
of it waits in a temporary database, which SQLite keeps in memory while it is small.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from operator import itemgetter
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError, by_entry, size_of
from labeling.importing.known.shapes import box_around
from labeling.importing.known.walk import Walk
from labeling.text.words import gettext as _

MOST = 4 * 2**30
MOST_CATEGORIES = 1_000_000
MOST_OF_IMAGE = 10_000  # annotations: they lie in memory together
NO_KEY = "null"  # of what has no id
LISTS = {"images", "annotations", "categories"}
TABLES = """
    CREATE TABLE image (id TEXT PRIMARY KEY, about TEXT, is_labeled INTEGER, why TEXT);
    CREATE TABLE annotation (image TEXT, said TEXT);
"""
UNKNOWN = """
    SELECT annotation.rowid, image FROM annotation LEFT JOIN image ON id = image
    WHERE id IS NULL ORDER BY annotation.rowid
"""
GROUPED = """
    SELECT image.rowid, about, why, annotation.rowid, said FROM image LEFT JOIN annotation ON image = id
    WHERE is_labeled ORDER BY image.rowid, annotation.rowid
"""


def _read(files: Files, name: str) -> Found:
    with contextlib.closing(sqlite3.connect("", check_same_thread=False)) as db:
        file = _File(db, name)
        try:
            yield from file.take(files.texts(name, MOST))
        except UnreadableError:
            raise
        except (ValueError, RecursionError) as error:
            raise UnreadableError(
                _("%(name)s is not COCO: it cannot be read as JSON (%(error)s).") % {"name": name, "error": error}
            ) from error
        yield from file.images(PurePosixPath(name).parent if files.is_archive else PurePosixPath())


class _File:
    """What is wanted of a file: its images and annotations in the database, and the names of its categories."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        db.executescript(TABLES)
        self.db, self.name = db, name
        self.categories: dict[Any, str] = {}
        self.question = ""  # which our exports tell

    def take(self, texts: Iterator[str]) -> Iterator[Refused]:
        """
        Raises:
            UnreadableError: It is something else, which may be known.
            ValueError, RecursionError: It is no JSON.
        """
        lists, first, is_via = set[str](), None, False
        for key, value in Walk(texts):
            is_list = isinstance(value, Iterator)
            if key in LISTS and is_list:
                lists.add(key)
                yield from self._take_list(key, value)
            elif key == "info" and isinstance(value, dict):
                self.question = str(value.get("question", ""))
            first = first or (next(value, None) if is_list else value)
            is_via = is_via or key == "_via_img_metadata"
        if lists != LISTS:
            raise UnreadableError(_no_coco(first, is_via) % {"name": self.name})

    def _take_list(self, key: str, rows: Iterator[Any]) -> Iterator[Refused]:
        if key == "images":
            for number, row in enumerate(rows):
                yield from self._take_image(f"{self.name}, images[{number}]", row)
        elif key == "annotations":
            said = ((_key(row.get("image_id") if isinstance(row, dict) else None), _said(row)) for row in rows)
            self.db.executemany("INSERT INTO annotation VALUES (?, ?)", said)
        else:
            try:
                self.categories = _categories(rows)
            except (KeyError, TypeError) as error:
                raise UnreadableError(_no_coco() % {"name": self.name}) from error

    def _take_image(self, where: str, row: Any) -> Iterator[Refused]:
        try:
            is_labeled = row.get("labeled") is not False
            key, file = _key(row["id"]), row["file_name"] if is_labeled else ""
        except (KeyError, TypeError, AttributeError):
            key = NO_KEY
        if key == NO_KEY:
            yield Refused(where, _("An image needs an id and a file_name."))
            return
        about = json.dumps([file, row.get("sha256"), row.get("width"), row.get("height")])
        added = self.db.execute(
            "INSERT INTO image VALUES (?, ?, ?, '') ON CONFLICT DO NOTHING", (key, about, is_labeled)
        )
        if added.rowcount:
            return
        (other,) = self.db.execute("SELECT about FROM image WHERE id = ?", (key,)).fetchone()
        if json.loads(other)[0] != file:
            why = _("Several images of the file have the id %(id)s.") % {"id": repr(row["id"])}
            self.db.execute("UPDATE image SET why = ? WHERE id = ?", (why, key))
            yield Refused(str(file), why)

    def images(self, folder: PurePosixPath) -> Iterator[Known | Refused]:
        """What was said of each image, after the annotations of those that the file does not hold."""
        self.db.execute("CREATE INDEX of_image ON annotation (image)")
        for number, key in self.db.execute(UNKNOWN):
            told = _("The file has no image with the id %(id)s.") % {"id": repr(json.loads(key))}
            yield Refused(f"{self.name}, annotations[{number - 1}]", told)
        for _number, rows in itertools.groupby(self.db.execute(GROUPED), key=itemgetter(0)):
            yield self._image(list(itertools.islice(rows, MOST_OF_IMAGE + 1)), folder)

    def _image(self, rows: list[Any], folder: PurePosixPath) -> Known | Refused:
        _number, about, why, *_said = rows[0]
        file, sha256, *size = json.loads(about)
        if len(rows) > MOST_OF_IMAGE:
            why = _("At most %(most)s annotations of an image are read.") % {"most": MOST_OF_IMAGE}
        boxes: list[dict[str, Any]] = []
        crowds: dict[str, None] = {}
        for *_image, number, said in rows:
            try:
                pk, is_crowd, box = json.loads(said) if said else (None, False, {})
                category = self.categories[pk]
            except (KeyError, TypeError):
                if number is not None:  # an image of which one box is missing would be wrong altogether
                    told = _("%(where)s is no box of a known category.")
                    why = why or told % {"where": f"annotations[{number - 1}]"}
                continue
            if is_crowd:
                crowds[category] = None
            else:
                boxes.append({"category": category, **box})
        if why:
            return Refused(str(file), why)
        path = str(folder / file) if isinstance(file, str) and folder.parts else ""
        known = Known(file, boxes, self.question, path=path, size=size_of(*size), boxed=True, crowds=tuple(crowds))
        return replace(known, sha256=sha256) if isinstance(sha256, str) else known


def _key(pk: Any) -> str:
    """An id as the database knows it."""
    if isinstance(pk, float) and pk.is_integer():  # as a table of numbers has it
        pk = int(pk)
    return json.dumps(pk) if isinstance(pk, str | int) else NO_KEY


def _said(row: Any) -> str | None:
    """What an annotation says: its category, whether of a crowd, and its box; nothing where it is none."""
    try:
        box = {"box": row["bbox"]} if "bbox" in row else {}
        if not box.get("box") and isinstance(outline := row.get("segmentation"), list) and any(outline):
            corners = (corner for polygon in outline for corner in zip(polygon[::2], polygon[1::2], strict=False))
            box = {"box": box_around((float(x), float(y)) for x, y in corners)}
        return json.dumps([row["category_id"], bool(row.get("iscrowd")), box])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _no_coco(first: Any = None, is_via: bool = False) -> str:
    """What is said of JSON that is something else, which may be known."""
    told = first.keys() if isinstance(first, dict) else set[str]()
    if "regions" in told or is_via:
        return _("%(name)s is VIA's (VGG Image Annotator). There, export the annotations in COCO format.")
    if told & {"image", "imagefilename"} and told & {"annotations", "annotation"}:
        return _("%(name)s is Create ML's, which is not read. Let the tool export COCO or Pascal VOC.")
    if told >= {"data", "annotations"}:
        return _("%(name)s is Label Studio's own JSON: choose its format.")
    return _("%(name)s is not COCO: expected one object with the lists images, annotations and categories.")


def _categories(rows: Iterator[Any]) -> dict[Any, str]:
    """The names of ids, but of those that have several."""
    names: dict[Any, str] = {}
    several = set()
    for row in rows:
        if names.setdefault(row["id"], row["name"]) != row["name"]:
            several.add(row["id"])
        if len(names) > MOST_CATEGORIES:
            raise ValueError(f"more than {MOST_CATEGORIES} categories")
    return {number: name for number, name in names.items() if number not in several}


read = by_entry(_read, ".json")
