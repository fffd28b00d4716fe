"""COCO: boxes as ``bbox`` in natural pixels; a project without boxes writes each class as a box around the whole image.

Each annotation also carries ``confidence`` and ``judgments``, and an image ``labeled``: one without annotations was
looked at and holds nothing, or nobody has said anything of it yet. Readers of the format pass over all three.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from labeling.export.rows import Format, Header, Question, Row, Rows


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    question = header.boxes("COCO")
    numbers = {category: number for number, category in enumerate(question.choices, start=1)}
    info = {"description": header.name, "version": "1.0", "date_created": header.exported_at, "question": question.key}
    out.write(b'{"info":' + _json(info) + b',"licenses":[],"categories":')
    out.write(_json([{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()]))
    out.write(b',"images":[')
    # One walk for both lists: in a second one images may be gone, or labeled, that were otherwise in the first.
    with tempfile.TemporaryFile() as annotations:
        ids = itertools.count(1)
        for position, row in enumerate(rows()):
            out.write((b"," if position else b"") + _json(_image(question, row)))
            for annotation in _annotations(question, numbers, row):
                number = next(ids)
                annotations.write((b"," if number > 1 else b"") + _json({"id": number, **annotation}))
        out.write(b'],"annotations":[')
        annotations.seek(0)
        shutil.copyfileobj(annotations, out)
    out.write(b"]}")


def _image(question: Question, row: Row) -> dict[str, Any]:
    return {
        "id": row.image_id, "file_name": row.name, "width": row.width, "height": row.height, "sha256": row.sha256,
        "labeled": row.is_labeled(question),
    }  # fmt: skip


def _annotations(question: Question, numbers: dict[str, int], row: Row) -> Iterator[dict[str, Any]]:
    for category, box in row.boxes(question):
        label = row.labels[question.key]
        yield {
            "image_id": row.image_id, "category_id": numbers[category], "bbox": box, "area": box[2] * box[3],
            "iscrowd": 0, "segmentation": [], "confidence": label.confidence, "judgments": label.judgments,
        }  # fmt: skip


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


COCO = Format("COCO (JSON)", "json", write)
