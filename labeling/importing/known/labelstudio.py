"""Label Studio's JSON and JSON-MIN: choices, ratings, numbers and texts of a whole image, and rectangles and polygons,
whose corners stand for the box around them. Other shapes have no box; what else was asked (of one region, in pairs) is
passed over, and so is what was predicted.

Coordinates are percent of the image; a rectangle is turned around its left upper corner. Of each task all annotations
count, those marked as ground truth first; one without results says that nothing is there, a task without annotations
or a skipped one says nothing. In JSON-MIN each annotation is a row, in which the data of the task and the answers lie
side by side.
Source: https://labelstud.io/guide/export , https://labelstud.io/guide/task_format , https://labelstud.io/tags/rectanglelabels
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from labeling.importing.known.files import Files, Found, Known, Passed, Refused, UnreadableError, by_entry, size_of
from labeling.importing.known.imagefolder import SUFFIXES
from labeling.importing.known.shapes import box_around
from labeling.text.words import gettext as _

UPLOADED = re.compile(r"/data/upload/(?:\d+/)?[0-9a-f]{8}-(?=.)")  # before the name that a file had at first
SHAPES = {
    f"{shape}labels" for shape in ("rectangle", "polygon", "ellipse", "keypoint", "brush", "bitmask", "vector", "")
}
PLAIN = {"rating": ("rating", "number"), "number": ("number", "rating"), "textarea": ("text",)}  # as we ask for such
ABOUT = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}  # a row of JSON-MIN


def called(address: str) -> str:
    """The name of an image, with the folders that its address has and without what an upload puts before it."""
    if UPLOADED.match(address):
        return UPLOADED.sub("", unquote(address))
    if not address.startswith("/data/local-files/") and "://" not in address:
        return address
    parts = urlsplit(address)
    asked = parse_qs(parts.query) if parts.path.startswith("/data/local-files/") else {}
    return asked.get("d", [unquote(parts.path)])[0].lstrip("/")


def _read(files: Files, name: str) -> Found:
    text = files.text(name)
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        told = _("%(name)s cannot be read as JSON: %(error)s.")
        raise UnreadableError(told % {"name": name, "error": error}) from error
    if not isinstance(rows, list):
        told = _("%(name)s is no export of Label Studio: expected a list, as its JSON and JSON-MIN are.")
        raise UnreadableError(told % {"name": name})
    passed: Counter[str] = Counter()
    for number, row in enumerate(rows):
        where = f"{name}, [{number}]"
        try:
            key, image = _image(row["data"] if "annotations" in row else row)
        except (KeyError, TypeError, ValueError, AttributeError):
            yield Refused(where, _("Expected a task of Label Studio with the address of an image."))
            continue
        try:
            answers = list(_answers(row, passed) if "annotations" in row else _flat(row, key, passed))
        except (KeyError, TypeError, ValueError, AttributeError):
            yield Refused(image, _("An annotation of this task is none of Label Studio's."))
            continue
        for by, control, results in answers:
            yield _known(image, by, control, results)
    for what, count in passed.items():
        yield Passed(what, _("Neither a choice of the whole image nor a box."), count)


def _image(data: dict[str, Any]) -> tuple[str, str]:
    """(its key, its name): what ends like a picture, or is called image.

    Raises:
        KeyError: There is none.
    """
    names = {key: called(value) for key, value in data.items() if isinstance(value, str)}
    key = next((key for key, name in names.items() if PurePosixPath(name).suffix.lower() in SUFFIXES), "image")
    return key, names[key]


Answer = tuple[str, str, list[dict[str, Any]]]  # whose it is; what was asked; its results, each with its ``value``


def _answers(task: dict[str, Any], passed: Counter[str]) -> Iterator[Answer]:
    passed.update({"predictions": 1} if task.get("predictions") else {})
    for annotation in sorted(task["annotations"], key=lambda one: not one.get("ground_truth")):
        if annotation.get("was_cancelled"):
            continue
        asked: dict[str, list[dict[str, Any]]] = {}
        for result in annotation["result"]:
            if _is_of_image(result.get("type"), result.get("value")) or _shape(result.get("type")):
                asked.setdefault(str(result["from_name"]), []).append(result)
            else:
                passed[f"{result.get('type')} {result.get('from_name', '')}".strip()] += 1
        by = _person(annotation.get("completed_by"))
        yield from ((by, control, results) for control, results in asked.items())
        if not annotation["result"]:
            yield by, "", []


def _flat(row: dict[str, Any], image: str, passed: Counter[str]) -> Iterator[Answer]:
    """The answers of a row of JSON-MIN: a text is one choice, unless the image has several that could be."""
    by = _person(row.get("annotator"))
    asked = {key: value for key, value in row.items() if key not in {*ABOUT, image}}
    is_empty = True
    for control, value in asked.items():
        if isinstance(value, str):
            yield by, control, [{"type": "choices", "value": {"choices": [value]}}]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield by, control, [{"type": "rating", "value": {"rating": value}}]
            continue  # it may be of the task's data
        elif isinstance(value, dict) and "choices" in value:
            yield by, control, [{"type": "choices", "value": value}]
        elif isinstance(value, list) and value and all(isinstance(one, dict) and _labeled(one) for one in value):
            yield by, control, [{**one, "type": _labeled(one), "value": one} for one in value]
        else:
            passed[control] += 1
            continue
        is_empty = False
    if is_empty:
        yield by, "", []


def _known(image: str, by: str, control: str, results: list[dict[str, Any]]) -> Known | Refused:
    try:
        if results and results[0]["type"] == "choices":
            chosen = dict.fromkeys(choice for result in results for choice in result["value"]["choices"])
            return Known(image, [{"category": choice} for choice in chosen], control=control, by=by, classed=True)
        if results and (kinds := PLAIN.get(results[0]["type"])):
            return Known(image, _plain(results), control=control, by=by, kinds=kinds)
        sizes = {size_of(one.get("original_width"), one.get("original_height")) for one in results}
        size = sizes.pop() if len(sizes) == 1 else None
        boxes = [box for result in results for box in _boxes(result, size)]
    except (KeyError, TypeError, ValueError, OverflowError):
        # An image of which one box is missing would be wrong altogether.
        return Refused(
            image, _("An answer of %(name)s is neither a choice nor a rectangle with a label.") % {"name": control}
        )
    return Known(image, boxes, control=control, by=by, boxed=True, relative=size is None, size=size)


def _boxes(result: dict[str, Any], size: tuple[int, int] | None) -> Iterator[dict[str, Any]]:
    """A box for each label of a region, in pixels; where the image's size is not told, in shares of it."""
    value = result["value"]
    across, down = size or (1, 1)
    labels = value[result["type"]]
    if result.get("image_rotation"):
        raise ValueError(result["image_rotation"])
    if "points" in value:
        corners = [(float(x) * across / 100, float(y) * down / 100) for x, y in value["points"]]
    else:
        x, y, width, height = (float(value[name]) / 100 for name in ("x", "y", "width", "height"))
        angle = math.radians(float(value.get("rotation") or 0))
        if angle and size is None:
            raise ValueError(angle)
        sides = [(0.0, 0.0), (width * across, 0.0), (width * across, height * down), (0.0, height * down)]
        cos, sin = math.cos(angle), math.sin(angle)
        corners = [(x * across + right * cos - low * sin, y * down + right * sin + low * cos) for right, low in sides]
    box = left, top, wide, high = box_around(corners)
    if size is None:
        box = [left + wide / 2, top + high / 2, wide, high]
    yield from ({"category": label, "box": box} for label in labels)


def _shape(kind: Any) -> str:
    """``rectanglelabels`` and the like, or ``labels`` of any; empty where it is none: a shape alone says nothing."""
    return kind if isinstance(kind, str) and kind in SHAPES else ""


def _labeled(value: dict[str, Any]) -> str:
    """The key of a region's labels, which JSON-MIN does not tell the type of."""
    return next((key for key in value if _shape(key)), "")


def _is_of_image(kind: Any, value: Any) -> bool:
    """Whether it is an answer about the whole image; one of a region has the region's place."""
    is_answer = kind == "choices" or (isinstance(kind, str) and kind in PLAIN)
    return is_answer and isinstance(value, dict) and "x" not in value and "points" not in value


def _plain(results: list[dict[str, Any]]) -> Any:
    """A number, or all that was written."""
    kind, value = results[0]["type"], results[0]["value"]
    return "\n".join(text for one in results for text in one["value"]["text"]) if kind == "textarea" else value[kind]


def _person(value: Any) -> str:
    found = (value.get("email") or value.get("id")) if isinstance(value, dict) else value
    return str(found) if isinstance(found, str | int) else ""


read = by_entry(_read, ".json")
