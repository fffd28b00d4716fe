"""YOLO: a zip with ``data.yaml`` and one text file per image, a line per box: class, then centre and size as shares.

A project without boxes writes each class as a box around the whole image, as in COCO.
Shares are written with 9 digits, so that a box comes back to within a thousandth of a pixel. With the option
``images`` the pictures lie beside. ``images.sha256`` tells their hashes as ``sha256sum`` does: names may be such as no
file has. ``data.yaml`` names no ``path``, which its readers would begin where they run, and not where it lies; and a
picture's labels are found by the last folder ``images`` above it, so that no picture has one of its own.
Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
from pathlib import PurePosixPath
from typing import IO

from labeling.export import zips
from labeling.export.rows import Format, Header, Question, Row, Rows


def lines(question: Question, row: Row) -> str:
    """The text file of one image; empty when it was looked at and holds nothing."""
    numbers = {category: number for number, category in enumerate(question.choices)}
    written = []
    for category, (x, y, width, height) in row.boxes(question):
        shares = [(x + width / 2) / row.width, (y + height / 2) / row.height, width / row.width, height / row.height]
        written.append(" ".join([str(numbers[category]), *(f"{share:.9f}" for share in shares)]))
    return "".join(f"{line}\n" for line in written)


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    question = header.boxes("YOLO")
    with zips.writing(out, zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryFile() as hashes:
        # JSON strings are YAML strings, but for their escapes in pairs (of emoji, say).
        names = "".join(
            f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in enumerate(question.choices)
        )
        archive.writestr("data.yaml", f"train: images\nval: images\nnc: {len(question.choices)}\nnames:\n{names}")
        for row in rows():
            if row.is_labeled(question):
                name = _below(row.name)
                archive.writestr(f"labels/{PurePosixPath(name).with_suffix('.txt')}", lines(question, row))
                hashes.write(f"{row.sha256}  images/{name}\n".encode())
                if header.with_images:
                    archive.writestr(f"images/{name}", row.read(), zipfile.ZIP_STORED)
        hashes.seek(0)
        with archive.open("images.sha256", "w") as entry:
            shutil.copyfileobj(hashes, entry)


def _below(name: str) -> str:
    """The name with another one for each folder ``images``, and unlike that of any other picture."""
    *folders, last = name.split("/")
    return "/".join([*(re.sub(r"^(images_*)$", r"\1_", folder) for folder in folders), last])


YOLO = Format("YOLO (zip)", "zip", write, files="stem")
