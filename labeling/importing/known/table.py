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
        try:
            for line in reader:
                row = {str(key).strip().lower(): value for key, value in line.items() if key is not None}
                yield Known(row["image"] or "", row.get("answer", row.get("label")), row.get("question") or "")
        except csv.Error as error:
            told = _("Line %(line_num)s is no CSV: %(error)s.")
            raise UnreadableError(told % {"line_num": reader.line_num, "error": error}) from error


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
                yield Known(_text(row["image"]), label["answer"], question)
        else:
            yield Known(_text(row["image"]), row["answer"], _text(row.get("question") or ""))
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s, line %(number)s: expected an object with image and answer.")
        raise UnreadableError(told % {"name": name, "number": number}) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
