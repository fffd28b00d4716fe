"""LabelMe's JSON, a file beside each image, as X-AnyLabeling and others write it, too: shapes are boxes, flags choices.

Polygons, circles and masks stand for the box around them; lines and points have none, and refuse the boxes of their
image. An image is looked at where its file is saved: without shapes, and without flags, it holds nothing.
Source: https://github.com/wkentaro/labelme (``labelme/label_file.py`` and its examples)
"""

from __future__ import annotations

import json
import math
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError, by_entry, size_of
from labeling.importing.known.shapes import box_around, has_no_box
from labeling.text.words import gettext as _


def _read(files: Files, name: str) -> Found:
    text = files.text(name)
    try:
        said: dict[str, Any] = json.loads(text)
        image = said["imagePath"].replace("\\", "/")
        shapes, flags = [dict(shape) for shape in said["shapes"]], dict(said.get("flags") or {})
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s is no file of LabelMe: expected an object with imagePath and shapes.")
        raise UnreadableError(told % {"name": name}) from error
    folder = PurePosixPath(name).parent
    path = str(folder / image) if files.is_archive and folder.parts and ".." not in image else ""
    if flags:
        chosen = [{"category": flag} for flag, is_set in flags.items() if is_set]
        yield Known(image, chosen, path=path, classed=True)
    if shapes or not flags:
        yield _boxes(image, path, shapes, size_of(said.get("imageWidth"), said.get("imageHeight")))


def _boxes(image: str, path: str, shapes: list[dict[str, Any]], size: tuple[int, int] | None) -> Known | Refused:
    boxes = []
    for shape in shapes:
        kind, label = shape.get("shape_type") or "polygon", shape.get("label")
        try:
            boxes.append({"category": label, "box": _box(str(kind), shape["points"])})
        except (KeyError, ValueError, TypeError, OverflowError):
            return Refused(image, has_no_box(str(kind), label))
    return Known(image, boxes, path=path, boxed=True, size=size)


def _box(kind: str, points: list[list[float]]) -> list[float]:
    """
    Raises:
        ValueError: It has none.
    """
    corners = [(float(x), float(y)) for x, y in points]
    if kind == "circle":
        (x, y), edge = corners
        radius = math.dist((x, y), edge)
        return [x - radius, y - radius, 2 * radius, 2 * radius]
    if kind not in {"rectangle", "polygon", "mask", "rotation"}:
        raise ValueError(kind)
    return box_around(corners)


read = by_entry(_read, ".json")
