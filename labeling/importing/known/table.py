"""CSV with a header (``image``, ``answer``, optional ``question``), and JSON Lines: ours, or flat with these fields.

Both columns may be called as others call them: Hugging Face's metadata has ``file_name`` and ``label``, many a list for
Keras or TensorFlow ``filename`` and ``class``. A picture's ``sha256``, which our exports have, goes before its name.
Source: https://huggingface.co/docs/datasets/image_dataset
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from labeling import cells
from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError, by_entry
from labeling.importing.known.lines import Lines
from labeling.words import gettext as _

IMAGES = ("image", "file_name", "filename", "file", "path", "name")
ANSWERS = ("answer", "label", "category", "class")


def _read_csv(files: Files, name: str) -> Found:
    try:
        lines = Lines(io.StringIO(files.text(name), newline=""))
    except ValueError as error:
        raise UnreadableError(error.args[0]) from error
    image, answer = _first(lines.columns, IMAGES), _first(lines.columns, ANSWERS)
    if not image or not answer:
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
        yield Known(row[image] or "", row[answer], row.get("question") or "", sha256=row.get("sha256") or "")


def _first(there: set[str] | Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in there), "")


def _read_jsonl(files: Files, name: str) -> Found:
    # A line ends at a line feed: a text may hold what else Unicode counts as an end.
    for number, line in enumerate(files.text(name).split("\n"), start=1):
        if line.strip():
            try:
                yield from _known(name, number, line)
            except UnreadableError as error:
                yield Refused(name, error.args[0])


def _known(name: str, number: int, line: str) -> Iterator[Known]:
    try:
        row: dict[str, Any] = json.loads(line)
        image, sha256 = _text(row[_first(row, IMAGES)]), _text(row.get("sha256") or "")
        if "labels" in row:
            for question, label in row["labels"].items():
                yield Known(image, label["answer"], question, sha256=sha256)
        else:
            yield Known(image, row[_first(row, ANSWERS)], _text(row.get("question") or ""), sha256=sha256)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s, line %(number)s: expected an object with image and answer.")
        raise UnreadableError(told % {"name": name, "number": number}) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


read_csv = by_entry(_read_csv, ".csv")
read_jsonl = by_entry(_read_jsonl, ".jsonl", ".ndjson")
