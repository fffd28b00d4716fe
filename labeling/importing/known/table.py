"""CSV with a header (``image``, ``answer``, optional ``question``), and JSON Lines: ours, or flat with these fields.

Both columns may be called as others call them: Hugging Face's metadata has ``file_name`` and ``label``, many a list for
Keras or TensorFlow ``filename`` and ``class``, Label Studio's CSV ``image`` and ``choice``, where each name has eight
signs of the upload before it; Kaggle's competitions call an image ``id``, ``image_id`` or ``id_code``, and where there
is one column more, that is the answer, whatever it is called. A picture's ``sha256``, which our exports have, goes
before its name.
Two more shapes of CSV are common: a line a box, with its corners in ``xmin``, ``ymin``, ``xmax`` and ``ymax`` (of
TensorFlow's object detection), and a column a category, with 1 where it is in the picture (Roboflow's classes); one
such column alone (Kaggle's) answers a yes or no, too.
Source: https://huggingface.co/docs/datasets/image_dataset , https://roboflow.com/formats/tensorflow-object-detection , https://labelstud.io/guide/export
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from labeling.importing.known import labelstudio
from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError, by_entry, size_of
from labeling.importing.known.lines import Lines, array
from labeling.text import cells
from labeling.text.words import gettext as _

IMAGES = (
    "image", "file_name", "filename", "image_name", "file", "path", "image_path", "filepath", "name", "image_id",
    "id", "id_code",
)  # fmt: skip
ANSWERS = ("answer", "label", "category", "class", "choice")
MARKS = {"0", "1", "0.0", "1.0"}
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _read_csv(files: Files, name: str) -> Found:
    text = files.text(name)
    try:
        lines = Lines(io.StringIO(text, newline=""))
    except ValueError as error:
        raise UnreadableError(error.args[0]) from error
    image, answer = first(lines.columns, IMAGES), first(lines.columns, ANSWERS)
    if image and answer and lines.columns.issuperset(CORNERS):
        yield from _boxes(name, lines, image, answer)
        return
    if image and not answer:
        others = Lines(io.StringIO(text, newline=""))
        yield from _marked(name, lines, image, is_answer=_is_answer(others, image))
        return
    if not image or not answer:
        raise _no_columns(name, lines)
    for number, line, problem in lines:
        if problem:
            yield Refused(f"{name}, line {number}", problem)
            continue
        row = named(line)
        called = labelstudio.called(row[image] or "")
        yield Known(called, row[answer], row.get("question") or "", sha256=row.get("sha256") or "")


def _no_columns(name: str, lines: Lines) -> UnreadableError:
    if lines.columns >= {"imageid", "labelname"}:
        told = _("%(name)s is of Open Images: choose that format, and send it in a zip with class-descriptions.csv.")
        return UnreadableError(told % {"name": name})
    told = _("%(name)s needs the columns image and answer; it has %(columns)s.")
    return UnreadableError(told % {"name": name, "columns": ", ".join(sorted(lines.columns))})


def named(line: Mapping[Any, Any]) -> dict[str, str]:
    """The line's cells by the names of ``Lines.columns``."""
    row = {str(key).strip().lower(): value for key, value in line.items() if key is not None}
    return {key: cells.read(value) if value else value for key, value in row.items()}


def _boxes(name: str, lines: Lines, image: str, answer: str) -> Found:
    """The boxes of each picture, wherever in the file its lines stand; one without corners says that there is none."""
    found: dict[str, Known] = {}
    spoiled: set[str] = set()
    for number, line, problem in lines:
        row = named(line)
        called = row.get(image) or ""
        try:
            if problem:
                raise ValueError(problem)
            known = found.setdefault(
                called, Known(called, [], size=size_of(row.get("width"), row.get("height")), boxed=True)
            )
            if any(row[corner] for corner in CORNERS):
                left, top, right, bottom = (float(row[corner]) for corner in CORNERS)
                known.answer.append({"category": row[answer], "box": [left, top, right - left, bottom - top]})
        except (ValueError, TypeError) as error:
            spoiled.add(called)
            yield Refused(f"{name}, line {number}", problem or _("This is no box: %(error)s.") % {"error": error})
    boxes = [item["box"] for known in found.values() for item in known.answer]
    is_shares = all(min(x, y) >= 0 and max(x + wide, y + high) < 1.001 for x, y, wide, high in boxes)
    # An image of which one box is missing would be wrong altogether.
    those = (known for called, known in found.items() if called not in spoiled)
    yield from map(_of_shares, those) if boxes and is_shares else those


def _of_shares(known: Known) -> Known:
    """Corners that are shares of the image's sides, as Open Images has them: all of a file's lie between 0 and 1."""
    boxes = [(item["category"], *item["box"]) for item in known.answer]
    answer = [{"category": name, "box": [x + w / 2, y + h / 2, w, h]} for name, x, y, w, h in boxes]
    return replace(known, answer=answer, relative=True)


def _is_answer(lines: Lines, image: str) -> bool:
    """Whether there is one column beside the image's, and it says more than marks do: a level begins with 0, too."""
    if len(lines.columns) != 2 or not all(lines.columns):
        return False
    return any(not MARKS.issuperset(_marks(line, image).values()) for _number, line, problem in lines if not problem)


def _marks(line: Mapping[Any, Any], image: str) -> dict[str, str]:
    row = {str(key).strip(): str(value or "").strip() for key, value in line.items() if key is not None}
    return {key: value for key, value in row.items() if key.lower() != image}


def _marked(name: str, lines: Lines, image: str, *, is_answer: bool) -> Found:
    """The categories with a 1 in their column; of one column alone, what it says where it holds more than marks."""
    is_first = True
    for number, line, problem in lines:
        called, marks = named(line).get(image) or "", _marks(line, image)
        if is_answer and not problem:
            yield Known(called, cells.read(*marks.values()))
        elif not is_answer and marks and MARKS.issuperset(marks.values()):
            chosen = [{"category": cells.read(key)} for key, mark in marks.items() if float(mark)]
            yield Known(called, chosen, classed=True, sole=len(marks) == 1)
        elif is_first:
            raise _no_columns(name, lines)
        else:
            told = _("Expected 0 or 1 in the column of each category.")
            yield Refused(f"{name}, line {number}", problem or told)
        is_first = False
    if is_first:
        raise _no_columns(name, lines)


def first(there: set[str] | Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of the names that is there."""
    return next((name for name in names if name in there), "")


def _read_jsonl(files: Files, name: str) -> Found:
    text = files.text(name)
    if text.startswith("[") and _is_json(text):
        raise UnreadableError(f"{name}: {array()}")
    # A line ends at a line feed: a text may hold what else Unicode counts as an end.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield from _known(name, number, line)
            except UnreadableError as error:
                yield Refused(name, error.args[0])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _known(name: str, number: int, line: str) -> Iterator[Known]:
    try:
        row: dict[str, Any] = json.loads(line)
        image, sha256 = _text(row[first(row, IMAGES)]), _text(row.get("sha256") or "")
        if "labels" in row:
            for question, label in row["labels"].items():
                yield Known(image, label["answer"], question, sha256=sha256)
        else:
            yield Known(image, row[first(row, ANSWERS)], _text(row.get("question") or ""), sha256=sha256)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s, line %(number)s: expected an object with image and answer.")
        raise UnreadableError(told % {"name": name, "number": number}) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


read_csv = by_entry(_read_csv, ".csv")
read_jsonl = by_entry(_read_jsonl, ".jsonl", ".ndjson")
