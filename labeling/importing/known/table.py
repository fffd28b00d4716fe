"""CSV with a header (``image``, ``answer``, optional ``question``), and JSON Lines: ours, or flat with these fields."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from labeling import cells
from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError, by_entry
from labeling.importing.known.lines import Lines
from labeling.words import gettext as _


def _read_csv(files: Files, name: str) -> Found:
    try:
        lines = Lines(io.StringIO(files.text(name), newline=""))
    except ValueError as error:
        raise UnreadableError(error.args[0]) from error
    if "image" not in lines.columns or not lines.columns & {"answer", "label"}:
        told = _("%(name)s needs the columns image and answer; it has %(columns)s.")
        raise UnreadableError(told % {"name": name, "columns": ", ".join(sorted(lines.columns))})
    for number, line, problem in lines:
        if problem:
            yield Refused(f"{name}, line {number}", problem)
            continue
        row = {
            str(key).strip().lower(): cells.read(value) if value else value
            for key, value in line.items()
            if key is not None
        }
        yield Known(row["image"] or "", row.get("answer", row.get("label")), row.get("question") or "")


def _read_jsonl(files: Files, name: str) -> Found:
    for number, line in enumerate(files.text(name).splitlines(), start=1):
        if line.strip():
            try:
                yield from _known(name, number, line)
            except UnreadableError as error:
                yield Refused(name, error.args[0])


def _known(name: str, number: int, line: str) -> Iterator[Known]:
    try:
        row: dict[str, Any] = json.loads(line)
        if "labels" in row:
            for question, label in row["labels"].items():
                yield Known(_text(row["image"]), label["answer"], question)
        else:
            yield Known(_text(row["image"]), row["answer"], _text(row.get("question") or ""))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s, line %(number)s: expected an object with image and answer.")
        raise UnreadableError(told % {"name": name, "number": number}) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


read_csv = by_entry(_read_csv, ".csv")
read_jsonl = by_entry(_read_jsonl, ".jsonl", ".ndjson")
