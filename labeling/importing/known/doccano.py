"""doccano's JSON Lines of images: ``filename`` with ``label``, a list of choices, or with ``bbox``, boxes in pixels.

Where its people have labeled apart from each other, it packs a file of each into a zip, under their name; what they
share is ``all.jsonl``. A line without a label says nothing: the file has the images that nobody has looked at, too.
Source: https://doccano.github.io/doccano/ (``data_export`` of its backend).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Found, Known, Passed, Refused, by_entry
from labeling.text.words import gettext as _

SHARED = "all"


def _read(files: Files, name: str) -> Found:
    stem = PurePosixPath(name).stem
    by = stem if files.is_archive and stem != SHARED else ""
    passed: Counter[str] = Counter()
    for number, line in enumerate(files.text(name).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
            image, said = row["filename"], [*row.get("label", ()), *row.get("bbox", ())]
            if not isinstance(image, str):
                raise TypeError(image)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            yield Refused(
                f"{name}, line {number}", _("Expected a line of doccano: an object with filename, and label or bbox.")
            )
            continue
        passed.update(key for key in ("Comments", "comments", "segmentation", "relations") if row.get(key))
        passed[""] += not said
        if said:
            yield _known(image, said, by)
    for key, count in (passed - Counter({"": passed[""]})).items():
        yield Passed(key, _("Neither a choice of the whole image nor a box."), count)
    if passed[""]:
        yield Passed(
            "filename", _("Lines without a label: doccano does not tell whether anybody has looked."), passed[""]
        )


def _known(image: str, said: list[Any], by: str) -> Known | Refused:
    try:
        if all(isinstance(one, str) for one in said):
            return Known(image, [{"category": one} for one in said], classed=True, by=by)
        boxes = [
            {"category": one["label"], "box": [float(one[side]) for side in ("x", "y", "width", "height")]}
            for one in said
        ]
    except (KeyError, TypeError, ValueError, OverflowError):
        # An image of which one box is missing would be wrong altogether.
        return Refused(image, _("Of its labels one is neither a choice nor a box."))
    return Known(image, boxes, boxed=True, by=by)


read = by_entry(_read, ".jsonl")
