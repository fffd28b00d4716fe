"""A project of Supervisely: a JSON an image in a folder ``ann``; objects are boxes, an image's tags are choices.

Polygons and bitmaps stand for the box around them; lines, points and the like have none, and refuse the boxes of their
image. A tag with a text answers the question that is called as it is. Images without an object or a tag are passed
over: a project has a file of each of its images, and does not tell which of them anybody has looked at.
Source: https://docs.supervisely.com/customization-and-integration/00_ann_format_navi
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Found, Known, Passed, Refused, UnreadableError, by_entry, size_of
from labeling.importing.known.shapes import box_around, has_no_box
from labeling.text.words import gettext as _

FOLDER = "ann"
HEADER = 24  # bytes of a PNG to the end of its width and height


def _read(files: Files, name: str) -> Found:
    place = PurePosixPath(name)
    if files.is_archive and place.parent.name != FOLDER:
        return  # meta.json and the like
    text = files.text(name)
    try:
        said: dict[str, Any] = json.loads(text)
        objects, tags = [dict(one) for one in said["objects"]], [dict(one) for one in said["tags"]]
        size = size_of(said["size"]["width"], said["size"]["height"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s is no annotation of Supervisely: expected an object with size, tags and objects.")
        raise UnreadableError(told % {"name": name}) from error
    image = place.stem
    path = str(place.parent.parent / "img" / image) if files.is_archive else ""
    if not objects and not tags:
        told = _("Without an annotation: Supervisely does not tell whether anybody has looked at them.")
        yield Passed("image", told)
    if chosen := [{"category": tag.get("name")} for tag in tags if tag.get("value") is None]:
        yield Known(image, chosen, path=path, classed=True)
    for tag in tags:
        if isinstance(tag.get("value"), str):
            yield Known(image, [{"category": tag["value"]}], path=path, classed=True, control=str(tag.get("name")))
        elif tag.get("value") is not None:
            yield Passed(f"tag {tag.get('name')}", _("Neither a choice of the whole image nor a box."))
    if objects:
        yield _boxes(image, path, objects, size)


def _boxes(image: str, path: str, objects: list[dict[str, Any]], size: tuple[int, int] | None) -> Known | Refused:
    boxes = []
    for one in objects:
        kind, label = str(one.get("geometryType")), one.get("classTitle")
        try:
            boxes.append({"category": label, "box": _box(kind, one)})
        except (KeyError, ValueError, TypeError, OverflowError, zlib.error):
            return Refused(image, has_no_box(kind, label))
    return Known(image, boxes, path=path, boxed=True, size=size)


def _box(kind: str, said: dict[str, Any]) -> list[float]:
    """
    Raises:
        ValueError: It has none.
    """
    if kind == "bitmap":  # a PNG that is cut to what is drawn, and where it lies
        packed, (left, top) = base64.b64decode(said["bitmap"]["data"]), said["bitmap"]["origin"]
        start = zlib.decompressobj().decompress(packed, HEADER)
        if not start.startswith(b"\x89PNG"):
            raise ValueError(kind)
        width, height = (int.from_bytes(start[place : place + 4]) for place in (16, 20))
        return [float(left), float(top), float(width), float(height)]
    if kind not in {"rectangle", "polygon"}:
        raise ValueError(kind)
    return box_around((float(x), float(y)) for x, y in said["points"]["exterior"])


read = by_entry(_read, ".json")
