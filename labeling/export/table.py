"""CSV: one line per image and question, or, with the option ``judgments``, one line per judgment and question.

The lines of judgments have the columns that ``judgments/import/`` reads, so they travel from one project to another.
Source: RFC 4180.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import IO, Any

from labeling.export.rows import Format, Header, Row, Rows, text
from labeling.text.cells import plain

LABELS = [
    "image", "image_id", "sha256", "width", "height", "question", "answer", "confidence", "posterior", "judgments",
    "method", "final", "retired_because",
]  # fmt: skip
JUDGMENTS = [
    "image", "image_id", "sha256", "worker", "question", "answer", "seconds", "survey_version", "stage", "created_at",
]  # fmt: skip


def _answer(answer: Any) -> str:
    return plain(answer) if isinstance(answer, str) else text(answer)


def _labels(row: Row) -> Iterator[list[Any]]:
    for key, label in row.labels.items():
        yield [
            plain(row.name), row.image_id, row.sha256, row.width, row.height, key, _answer(label.answer),
            label.confidence, json.dumps(label.posterior, ensure_ascii=False), label.judgments, label.method,
            int(label.final), label.retired_because,
        ]  # fmt: skip


def _judgments(row: Row) -> Iterator[list[Any]]:
    for said in row.judgments:
        for key, answer in said.answers.items():
            seconds = "" if said.seconds is None else said.seconds
            yield [
                plain(row.name), row.image_id, row.sha256, plain(said.worker), key, _answer(answer), seconds,
                said.survey_version, said.stage, said.created_at,
            ]  # fmt: skip


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    raw = bool(header.options.get("judgments"))
    # Excel takes a file without the mark for one of the system's old encoding; programs may trip over it.
    encoding = "utf-8-sig" if header.options.get("excel") else "utf-8"
    stream = io.TextIOWrapper(out, encoding=encoding, newline="", write_through=True)
    writer = csv.writer(stream)
    writer.writerow(JUDGMENTS if raw else LABELS)
    for row in rows():
        writer.writerows(_judgments(row) if raw else _labels(row))
    stream.flush()
    stream.detach()


CSV = Format("CSV", "csv", write)
