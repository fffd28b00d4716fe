"""Pascal VOC: one XML file per image. Corners are counted from 1.

Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from labeling.importing.known.files import Files, Known, UnreadableError


def read(files: Files) -> Iterator[Known]:
    for name in files.names(".xml"):
        data = files.read(name)
        # Entities can grow without bound and are never needed here.
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise UnreadableError(f"{name} declares a document type; VOC has none.")
        try:
            root = ElementTree.fromstring(data)
            image = (root.findtext("filename") or "").strip()
            boxes = [_box(entry) for entry in root.iter("object")]
        except (ElementTree.ParseError, ValueError, TypeError) as error:
            raise UnreadableError(f"{name} is not VOC: {error}.") from error
        yield Known(image or name.rpartition("/")[2].removesuffix(".xml"), boxes)


def _box(entry: ElementTree.Element) -> dict[str, Any]:
    corners = [float(entry.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = corners
    category = (entry.findtext("name") or "").strip()
    return {"category": category, "box": [left - 1, top - 1, right - left + 1, bottom - top + 1]}
