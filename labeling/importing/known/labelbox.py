"""Labelbox's export, a line of JSON an image: what each of its people has drawn and chosen there, by whom.

An image is called as its ``external_id`` says, else its ``global_key``, else its address. Who has sent a label without
anything in it has looked and found nothing; an image without a label nobody has looked at.
Source: https://docs.labelbox.com/reference/export-image-annotations
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from labeling.importing.known.files import Files, Found, Known, Passed, Refused, by_entry, size_of
from labeling.text.words import gettext as _


def _read(files: Files, name: str) -> Found:
    passed: Counter[str] = Counter()
    for number, line in enumerate(files.text(name).split("\n"), start=1):
        if line.strip():
            try:
                yield from _of_image(json.loads(line), passed)
            except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
                told = _("Expected a line of Labelbox: an object with data_row and projects.")
                yield Refused(f"{name}, line {number}", told)
    unseen = passed.pop("", 0)
    for kind, count in passed.items():
        yield Passed(kind, _("Neither a choice of the whole image nor a box."), count)
    if unseen:
        yield Passed("labels", _("Images without a label: nobody has looked at them."), unseen)


def _of_image(row: dict[str, Any], passed: Counter[str]) -> list[Known]:
    told, media = row["data_row"], row.get("media_attributes") or {}
    address = unquote(urlsplit(told.get("row_data") or "").path)
    image = told.get("external_id") or told.get("global_key") or PurePosixPath(address).name
    size = size_of(media.get("width"), media.get("height"))
    labels = [label for project in row["projects"].values() for label in project["labels"]]
    passed[""] += not labels
    return [known for label in labels for known in _of_label(str(image), size, label, passed)]


def _of_label(image: str, size: tuple[int, int] | None, label: dict[str, Any], passed: Counter[str]) -> Iterator[Known]:
    by = str((label.get("label_details") or {}).get("created_by") or "")
    annotations = label["annotations"]
    objects, classes = annotations.get("objects") or [], annotations.get("classifications") or []
    drawn = [one for one in objects if "bounding_box" in one]
    passed.update(str(one.get("annotation_kind")) for one in objects if "bounding_box" not in one)
    if drawn or not (objects or classes):
        yield Known(image, [_box(one) for one in drawn], size=size, boxed=True, by=by)
    for one in classes:
        chosen = [one["radio_answer"]] if "radio_answer" in one else one.get("checklist_answers")
        if chosen is None:
            passed[str(one["name"])] += 1
        else:
            answer = [{"category": answer["name"]} for answer in chosen]
            yield Known(image, answer, classed=True, control=str(one["name"]), by=by)


def _box(one: dict[str, Any]) -> dict[str, Any]:
    sides = one["bounding_box"]
    return {"category": one["name"], "box": [float(sides[side]) for side in ("left", "top", "width", "height")]}


read = by_entry(_read, ".ndjson", ".jsonl", ".json")
