"""Pascal VOC: one XML file per image. Corners are counted from 1.

Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from labeling.importing.known.files import Files, Found, Known, UnreadableError, by_entry, size_of
from labeling.text.words import gettext as _


def _read(files: Files, name: str) -> Found:
    data = files.read(name)
    # Entities can grow without bound and are never needed here.
    if b"\x00" in data:
        raise UnreadableError(_("%(name)s is not UTF-8 text.") % {"name": name})  # but UTF-16, which hides the next
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UnreadableError(_("%(name)s declares a document type; VOC has none.") % {"name": name})
    try:
        root = ElementTree.fromstring(data)
        if root.tag != "annotation":
            raise LookupError(
                _("its root is %(root)s and not annotation; choose its own format") % {"root": f"{root.tag:.80}"}
            )
        image = (root.findtext("filename") or "").strip()
        boxes = [_box(entry) for entry in root.iter("object")]
        size = size_of(root.findtext("size/width"), root.findtext("size/height"))
        source = (root.findtext("source/image") or "").strip()
    except (ElementTree.ParseError, LookupError, ValueError, TypeError) as error:
        raise UnreadableError(_("%(name)s is not VOC: %(error)s.") % {"name": name, "error": error}) from error
    image = image or PurePosixPath(name).stem
    folders = [part for part in PurePosixPath(name).parts[:-1] if part != "Annotations"]
    path = "/".join([*folders, image]) if folders and files.is_archive and "/" not in image else ""
    sha256 = source.removeprefix("sha256:") if source.startswith("sha256:") else ""  # as we write it
    yield Known(image, boxes, path=path, size=size, boxed=True, sha256=sha256)


def _box(entry: ElementTree.Element) -> dict[str, Any]:
    corners = [float(entry.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = corners
    category = (entry.findtext("name") or "").strip()
    return {"category": category, "box": [left - 1, top - 1, right - left + 1, bottom - top + 1]}


read = by_entry(_read, ".xml")
