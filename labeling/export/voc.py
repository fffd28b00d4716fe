"""Pascal VOC: a zip with one XML file per image under ``Annotations``. Corners in pixels, counted from 1 as VOC does.

Fractions of a pixel are kept: a reader of whole numbers rounds them itself. A project without boxes writes each class
as a box around the whole image, as in COCO. ``source`` tells the picture's hash: its name may be one that no file has.
``ImageSets/Main/trainval.txt`` lists the images: torchvision and Datumaro, by which CVAT reads, see none without.
Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import PurePosixPath
from typing import IO
from xml.etree import ElementTree

from labeling.export import zips
from labeling.export.rows import Format, Header, Question, Row, Rows


def annotation(question: Question, row: Row) -> bytes:
    """The XML of one image."""
    root = ElementTree.Element("annotation")
    _child(root, "folder", "JPEGImages")
    _child(root, "filename", row.name)
    _child(ElementTree.SubElement(root, "source"), "image", f"sha256:{row.sha256}")
    size = ElementTree.SubElement(root, "size")
    for name, pixels in (("width", row.width), ("height", row.height), ("depth", 3)):
        _child(size, name, str(pixels))
    _child(root, "segmented", "0")
    for category, (x, y, width, height) in row.boxes(question):
        entry = ElementTree.SubElement(root, "object")
        _child(entry, "name", category)
        for name, value in (("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
            _child(entry, name, value)
        box = ElementTree.SubElement(entry, "bndbox")
        corners = (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + width), ("ymax", y + height))
        for name, number in corners:
            _child(box, name, f"{number:.3f}".rstrip("0").rstrip("."))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8")


def _child(parent: ElementTree.Element, name: str, value: str) -> None:
    ElementTree.SubElement(parent, name).text = value


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    question = header.boxes("Pascal VOC")
    with zips.writing(out, zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryFile() as stems:
        for row in rows():
            if row.is_labeled(question):
                stem = PurePosixPath(row.name).with_suffix("")
                archive.writestr(f"Annotations/{stem}.xml", annotation(question, row))
                stems.write(f"{stem}\n".encode())
                if header.with_images:
                    archive.writestr(f"JPEGImages/{row.name}", row.read(), zipfile.ZIP_STORED)
        stems.seek(0)
        with archive.open("ImageSets/Main/trainval.txt", "w") as entry:
            shutil.copyfileobj(stems, entry)


VOC = Format("Pascal VOC (zip)", "zip", write, files="stem")
