"""JSON Lines: one object per image with its labels, posteriors and every judgment. The fullest of the formats.

Source: https://jsonlines.org/
"""

from __future__ import annotations

import dataclasses
import json
from typing import IO, Any

from labeling.export.rows import Format, Header, Row, Rows, Said


def as_object(row: Row) -> dict[str, Any]:
    """The row as JSON writes it."""
    return {
        "image": row.name,
        "image_id": row.image_id,
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "labels": {key: dataclasses.asdict(label) for key, label in row.labels.items()},
        "judgments": [_said(said) for said in row.judgments],
    }


def _said(said: Said) -> dict[str, Any]:
    told = dataclasses.asdict(said)
    return told if said.language else {name: value for name, value in told.items() if name != "language"}


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    for row in rows():
        out.write(json.dumps(as_object(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


JSONL = Format("JSON Lines", "jsonl", write)
