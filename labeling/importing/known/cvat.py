"""CVAT for images 1.1: one XML of all images of a task; tags are choices of a whole image, boxes are boxes.

Polygons, masks and ellipses stand for the box around them, as those of other tools do, and a box that is turned around
its centre for the one around it. Lines, points, skeletons and cuboids have none: they refuse the boxes of their image.
Attributes are passed over, and so are images without an annotation: the file has every image of its task, and does not
tell which of them anybody has looked at. It names no person either.

The file is read a piece at a time by expat, which keeps no tree; a document type, where entities would come from, ends
it. Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ , https://docs.cvat.ai/docs/other/xml_format/
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from labeling.importing.known.files import Files, Found, Known, Passed, Refused, UnreadableError, by_entry, size_of
from labeling.importing.known.shapes import box_around, has_no_box
from labeling.text.words import gettext as _

SHAPES = {"box", "polygon", "mask", "ellipse", "polyline", "points", "skeleton", "cuboid"}
Box = list[float]


@dataclass
class _Image:
    """What the file says of an image; ``why`` its boxes cannot be used, if so."""

    name: str
    size: tuple[int, int] | None
    tags: dict[str, None] = field(default_factory=dict)
    boxes: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""

    def add(self, shape: str, said: dict[str, str]) -> None:
        label = said.get("label", "")
        try:
            self.boxes.append({"category": label, "box": _box(shape, said)})
        except (KeyError, ValueError, OverflowError):
            self.why = self.why or has_no_box(shape, label)

    def parts(self) -> Found:
        if self.tags:
            yield Known(self.name, [{"category": tag} for tag in self.tags], classed=True)
        if self.why:
            yield Refused(self.name, self.why)
        elif self.boxes:
            yield Known(self.name, self.boxes, boxed=True, size=self.size)


class _Reading:
    """One document; ``found`` is what its images have said since it was last emptied."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: list[Known | Refused | Passed] = []
        self.attributes: Counter[str] = Counter()
        self.empty = 0
        self._image: _Image | None = None
        self._open: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    def _refuse_doctype(self, *_told: Any) -> None:
        raise UnreadableError(_("%(name)s declares a document type; CVAT's has none.") % {"name": self.name})

    def _start(self, tag: str, said: dict[str, str]) -> None:
        if not self._open and tag != "annotations":
            raise self.is_none()
        if tag == "track":
            told = _('%(name)s is "CVAT for video". Export the task as "CVAT for images 1.1".')
            raise UnreadableError(told % {"name": self.name})
        if tag == "image" and self._open == ["annotations"]:
            self._image = _Image(said.get("name", ""), size_of(said.get("width"), said.get("height")))
        elif self._image is not None and tag == "attribute":
            self.attributes[said.get("name", "")] += 1
        elif self._image is not None and len(self._open) == 2:  # what is in a skeleton is a part of it
            if tag == "tag":
                self._image.tags[said.get("label", "")] = None
            elif tag in SHAPES:
                self._image.add(tag, said)
        self._open.append(tag)

    def _end(self, tag: str) -> None:
        self._open.pop()
        if tag == "image" and self._image is not None and len(self._open) == 1:
            parts = list(self._image.parts())
            self.found += parts
            self.empty += not parts
            self._image = None

    def is_none(self) -> UnreadableError:
        told = _('%(name)s is no "CVAT for images 1.1": it has no annotations at its root.')
        return UnreadableError(told % {"name": self.name})


def _read(files: Files, name: str) -> Found:
    reading = _Reading(name)
    try:
        for piece in files.pieces(name):
            reading.parser.Parse(piece, False)
            yield from reading.found
            reading.found.clear()
        reading.parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield from reading.found  # what stands before the place
        told = _("%(name)s cannot be read as XML: %(error)s.")
        raise UnreadableError(told % {"name": name, "error": error}) from error
    for attribute, count in reading.attributes.items():
        yield Passed(f"attribute {attribute}", _("Attributes are not taken."), count)
    if reading.empty:
        told = _(
            "Without an annotation: CVAT does not tell whether anybody has looked at them. COCO takes them as empty."
        )
        yield Passed("image", told, reading.empty)


def _box(shape: str, said: dict[str, str]) -> Box:
    """The box around it, in pixels.

    Raises:
        KeyError, ValueError: It has none.
    """
    turn = math.radians(float(said.get("rotation") or 0))
    if shape == "polygon":
        corners = [point.split(",") for point in said["points"].split(";")]
        return box_around((float(x), float(y)) for x, y in corners)
    if shape == "mask":
        return [float(said[name]) for name in ("left", "top", "width", "height")]
    if shape == "box":
        left, top, right, bottom = (float(said[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        if not turn:
            return [left, top, right - left, bottom - top]
        half, tall = (right - left) / 2, (bottom - top) / 2
        wide = abs(half * math.cos(turn)) + abs(tall * math.sin(turn))
        high = abs(half * math.sin(turn)) + abs(tall * math.cos(turn))
        return _around((left + right) / 2, (top + bottom) / 2, wide, high)
    if shape == "ellipse":
        x, y, half, tall = (float(said[name]) for name in ("cx", "cy", "rx", "ry"))
        wide = math.hypot(half * math.cos(turn), tall * math.sin(turn))
        return _around(x, y, wide, math.hypot(half * math.sin(turn), tall * math.cos(turn)))
    raise ValueError(shape)


def _around(x: float, y: float, wide: float, high: float) -> Box:
    return [x - wide, y - high, 2 * wide, 2 * high]


read = by_entry(_read, ".xml")
