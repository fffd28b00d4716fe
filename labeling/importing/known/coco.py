"""COCO: boxes of each image; images without annotations were looked at and hold nothing, unless ``labeled`` is false.

A region of a crowd (``iscrowd``) is no box of one thing, and says all the same that such things are there. An id that
two images or two categories have, as where files were put together, says of neither what is meant. Annotations without
a ``bbox``, as iNaturalist's and those of camera traps are, are classes of the whole image.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError, by_entry, size_of
from labeling.words import gettext as _

OUTLINES = {"segmentation", "keypoints"}  # most of a large file, of which nothing is read


@dataclass
class _Image:
    """What the file says of an image, and its annotations; ``why`` it cannot be used, if so."""

    row: dict[str, Any]
    boxes: list[dict[str, Any]] = field(default_factory=list)
    crowds: dict[str, None] = field(default_factory=dict)
    why: str = ""

    def add(self, annotation: dict[str, Any], categories: dict[Any, str]) -> bool:
        """Take a box, or a crowd, of a known category; returns whether it is one."""
        try:
            category = categories[annotation["category_id"]]
            if annotation.get("iscrowd"):
                self.crowds[category] = None
            else:
                box = {"box": annotation["bbox"]} if "bbox" in annotation else {}
                self.boxes.append({"category": category, **box})
        except (KeyError, TypeError):
            return False
        return True

    def known(self, question: str, folder: PurePosixPath) -> Known:
        file, sha256 = self.row["file_name"], self.row.get("sha256")
        path = str(folder / file) if isinstance(file, str) and folder.parts else ""
        size = size_of(self.row.get("width"), self.row.get("height"))
        known = Known(file, self.boxes, question, path=path, size=size, crowds=tuple(self.crowds))
        return replace(known, sha256=sha256) if isinstance(sha256, str) else known


def _read(files: Files, name: str) -> Found:
    text = files.text(name)
    try:
        document = json.loads(text, object_pairs_hook=_without_outlines)
        del text
        categories = _categories(document["categories"])
        rows, annotations = list(document["images"]), list(document["annotations"])
    except (ValueError, RecursionError) as error:
        raise UnreadableError(
            _("%(name)s is not COCO: it cannot be read as JSON (%(error)s).") % {"name": name, "error": error}
        ) from error
    except (KeyError, TypeError) as error:
        raise UnreadableError(_no_coco(document) % {"name": name}) from error
    images: dict[Any, _Image] = {}
    unlabeled: set[Any] = set()
    yield from _take_images(name, rows, images, unlabeled)
    yield from _take_annotations(name, annotations, categories, images, unlabeled)
    question = document.get("info", {}).get("question", "") if isinstance(document.get("info"), dict) else ""
    folder = PurePosixPath(name).parent if files.is_archive else PurePosixPath()
    for image in images.values():
        # An image of which one box is missing would be wrong altogether.
        yield Refused(str(image.row["file_name"]), image.why) if image.why else image.known(str(question), folder)


def _without_outlines(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in OUTLINES}


def _no_coco(document: Any) -> str:
    """What is said of JSON that is something else, which may be known."""
    rows = list(document.values()) if isinstance(document, dict) else document
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    if "regions" in first or (isinstance(document, dict) and "_via_img_metadata" in document):
        return _("%(name)s is VIA's (VGG Image Annotator). There, export the annotations in COCO format.")
    if first.keys() & {"image", "imagefilename"} and first.keys() & {"annotations", "annotation"}:
        return _("%(name)s is Create ML's, which is not read. Let the tool export COCO or Pascal VOC.")
    return _("%(name)s is not COCO: expected one object with the lists images, annotations and categories.")


def _take_images(name: str, rows: list[Any], images: dict[Any, _Image], unlabeled: set[Any]) -> Iterator[Refused]:
    """Fill ``images`` by id, and ``unlabeled`` with the ids of those that nobody has looked at."""
    for number, row in enumerate(rows):
        try:
            if row.get("labeled") is False:
                unlabeled.add(row["id"])
                continue
            file, image = row["file_name"], images.setdefault(row["id"], _Image(row))
        except (KeyError, TypeError, AttributeError):
            yield Refused(f"{name}, images[{number}]", _("An image needs an id and a file_name."))
            continue
        if image.row["file_name"] != file:
            image.why = _("Several images of the file have the id %(id)s.") % {"id": repr(row["id"])}
            yield Refused(str(file), image.why)


def _take_annotations(
    name: str, rows: list[Any], categories: dict[Any, str], images: dict[Any, _Image], unlabeled: set[Any]
) -> Iterator[Refused]:
    for number, row in enumerate(rows):
        pk = row.get("image_id") if isinstance(row, dict) else None
        has_id = isinstance(pk, str | int)
        if has_id and pk in unlabeled:
            continue
        found = images.get(pk) if has_id else None
        if found is None:
            told = _("The file has no image with the id %(id)s.") % {"id": repr(pk)}
            yield Refused(f"{name}, annotations[{number}]", told)
        elif not found.add(row, categories):
            told = _("%(where)s is no box of a known category.") % {"where": f"annotations[{number}]"}
            found.why = found.why or told


def _categories(rows: list[dict[str, Any]]) -> dict[Any, str]:
    """The names of ids, but of those that have several."""
    names: dict[Any, str] = {}
    several = {row["id"] for row in rows if names.setdefault(row["id"], row["name"]) != row["name"]}
    return {number: name for number, name in names.items() if number not in several}


read = by_entry(_read, ".json")
