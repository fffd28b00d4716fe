"""CSV with a header (``image``, ``answer``, optional ``question``), and JSON Lines: ours, or flat with these fields."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from labeling.importing.known.files import Files, Known, UnreadableError
from labeling.words import gettext as _


def read_csv(files: Files) -> Iterator[Known]:
    for name in files.names(".csv"):
        reader = csv.DictReader(io.StringIO(files.text(name), newline=""))
        columns = {str(column).strip().lower() for column in reader.fieldnames or ()}
        if "image" not in columns or not columns & {"answer", "label"}:
            told = _("%(name)s needs the columns image and answer; it has %(columns)s.")
            raise UnreadableError(told % {"name": name, "columns": ", ".join(sorted(columns))})
        for line in reader:
            row = {str(key).strip().lower(): value for key, value in line.items() if key is not None}
            yield Known(row["image"] or "", row.get("answer", row.get("label")), row.get("question") or "")


def read_jsonl(files: Files) -> Iterator[Known]:
    for name in files.names(".jsonl", ".ndjson"):
        for number, line in enumerate(files.text(name).splitlines(), start=1):
            if line.strip():
                yield from _known(name, number, line)


def _known(name: str, number: int, line: str) -> Iterator[Known]:
    try:
        row: dict[str, Any] = json.loads(line)
        if "labels" in row:
            for question, label in row["labels"].items():
                yield Known(row["image"], label["answer"], question)
        else:
            yield Known(row["image"], row["answer"], row.get("question") or "")
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s, line %(number)s: expected an object with image and answer.")
        raise UnreadableError(told % {"name": name, "number": number}) from error
