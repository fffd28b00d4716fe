"""COCO: boxes as ``bbox`` in natural pixels; a project without boxes writes each class as a box around the whole image.

Each annotation also carries ``confidence`` and ``judgments``, and an image ``labeled``: one without annotations was
looked at and holds nothing, or nobody has said anything of it yet. Readers of the format pass over all three.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from labeling.export.rows import ExportRefusedError, Format, Header, Question, Row, Rows, class_of


def question_of(header: Header) -> Question:
    """What COCO can hold of the project: its boxes, else its first class question.

    Raises:
        ExportRefusedError: There is neither.
    """
    question = header.first("boxes") or header.first("single_choice", "yes_no", "multiple_choice")
    if question is None:
        raise ExportRefusedError("COCO holds boxes and classes, and this project has neither. Choose csv or jsonl.")
    return question


def boxes_of(question: Question, row: Row) -> Iterator[tuple[str, list[float], float, int]]:
    """(category, bbox, confidence, judgments) of one image."""
    label = row.labels.get(question.key)
    if label is None:
        return
    if question.kind == "boxes":
        if isinstance(label.answer, list):
            for item in label.answer:
                yield item["category"], [float(n) for n in item["box"]], label.confidence, label.judgments
        return
    found = label.answer if isinstance(label.answer, list) else [class_of(label.answer)]
    for category in found:
        if category is not None and category in question.choices:
            yield category, [0.0, 0.0, float(row.width), float(row.height)], label.confidence, label.judgments


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    question = question_of(header)
    numbers = {category: number for number, category in enumerate(question.choices, start=1)}
    info = {"description": header.name, "version": "1.0", "date_created": header.exported_at, "question": question.key}
    out.write(b'{"info":' + _json(info) + b',"licenses":[],"categories":')
    out.write(_json([{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()]))
    out.write(b',"images":[')
    _listed(out, (_image(question, row) for row in rows()))
    out.write(b'],"annotations":[')
    _listed(out, _annotations(question, numbers, rows))
    out.write(b"]}")


def _image(question: Question, row: Row) -> dict[str, Any]:
    label = row.labels.get(question.key)
    return {
        "id": row.image_id, "file_name": row.name, "width": row.width, "height": row.height, "sha256": row.sha256,
        "labeled": label is not None and (isinstance(label.answer, list) or class_of(label.answer) in question.choices),
    }  # fmt: skip


def _annotations(question: Question, numbers: dict[str, int], rows: Rows) -> Iterator[dict[str, Any]]:
    number = 0
    for row in rows():
        for category, box, confidence, judgments in boxes_of(question, row):
            number += 1
            yield {
                "id": number, "image_id": row.image_id, "category_id": numbers[category], "bbox": box,
                "area": box[2] * box[3], "iscrowd": 0, "segmentation": [], "confidence": confidence,
                "judgments": judgments,
            }  # fmt: skip


def _listed(out: IO[bytes], items: Iterator[dict[str, Any]]) -> None:
    for position, item in enumerate(items):
        out.write((b"," if position else b"") + _json(item))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


COCO = Format("COCO (JSON)", "json", write)
