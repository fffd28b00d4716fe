"""COCO: boxes of each image; images without annotations were looked at and hold nothing, unless ``labeled`` is false.

A region of a crowd (``iscrowd``) is no box of one thing, and says all the same that such things are there. An id that
two images or two categories have, as where files were put together, says of neither what is meant.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError, by_entry, size_of
from labeling.words import gettext as _


def _read(files: Files, name: str) -> Found:
    text = files.text(name)
    try:
        document = json.loads(text)
        categories = _categories(document["categories"])
        images, annotations = list(document["images"]), list(document["annotations"])
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise UnreadableError(
            _("%(name)s is not COCO: %(kind)s at %(error)s.")
            % {"name": name, "kind": type(error).__name__, "error": error}
        ) from error
    folder = PurePosixPath(name).parent if files.is_archive else PurePosixPath()
    files_of: dict[Any, dict[str, Any]] = {}
    unlabeled: set[Any] = set()
    spoiled: dict[Any, str] = {}
    for number, row in enumerate(images):
        try:
            if row.get("labeled") is not False:
                there = files_of.setdefault(row["id"], {**row, "file_name": row["file_name"]})
                if there["file_name"] != row["file_name"]:
                    spoiled[row["id"]] = _("Several images of the file have the id %(id)s.") % {"id": repr(row["id"])}
                    yield Refused(str(row["file_name"]), spoiled[row["id"]])
            else:
                unlabeled.add(row["id"])
        except (KeyError, TypeError, AttributeError):
            yield Refused(f"{name}, images[{number}]", _("An image needs an id and a file_name."))
    boxes: dict[Any, list[dict[str, Any]]] = {image: [] for image in files_of}
    crowds: dict[Any, dict[str, None]] = {image: {} for image in files_of}
    for where, row in _of_objects(annotations):
        image = row.get("image_id")
        if isinstance(image, str | int) and image in unlabeled:
            continue
        if not isinstance(image, str | int) or image not in boxes:
            told = _("The file has no image with the id %(id)s.") % {"id": repr(image)}
            yield Refused(f"{name}, {where}", told)
        else:
            try:
                category = categories[row["category_id"]]
                if row.get("iscrowd"):
                    crowds[image][category] = None
                else:
                    boxes[image].append({"category": category, "box": row["bbox"]})
            except (KeyError, TypeError):
                spoiled.setdefault(image, _("%(where)s is no box of a known category.") % {"where": where})
    question = document.get("info", {}).get("question", "") if isinstance(document.get("info"), dict) else ""
    for image, row in files_of.items():
        file, sha256 = row["file_name"], row.get("sha256")
        # An image of which one box is missing would be wrong altogether.
        if image in spoiled:
            yield Refused(str(file), spoiled[image])
            continue
        path = str(folder / file) if isinstance(file, str) and folder.parts else ""
        size = size_of(row.get("width"), row.get("height"))
        known = Known(file, boxes[image], str(question), path=path, size=size, crowds=tuple(crowds[image]))
        yield replace(known, sha256=sha256) if isinstance(sha256, str) else known


def _categories(rows: list[dict[str, Any]]) -> dict[Any, str]:
    """The names of ids, but of those that have several."""
    names: dict[Any, str] = {}
    several = {row["id"] for row in rows if names.setdefault(row["id"], row["name"]) != row["name"]}
    return {number: name for number, name in names.items() if number not in several}


def _of_objects(annotations: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in enumerate(annotations):
        yield f"annotations[{number}]", row if isinstance(row, dict) else {}


read = by_entry(_read, ".json")
