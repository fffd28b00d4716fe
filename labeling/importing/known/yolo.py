"""YOLO: a zip of one text file per image, with the class names in ``data.yaml`` (or ``classes.txt``, one a line).

Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError
from labeling.words import gettext as _

NO_LABELS = {"classes.txt", "obj.names", "train.txt", "val.txt", "test.txt"}


def class_names(text: str) -> dict[int, str]:
    """``names`` of a data.yaml, a list or a mapping; every scalar is text, so that no class is called True."""
    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)
        names = document.get("names") if isinstance(document, dict) else None
        found = dict(enumerate(names)) if isinstance(names, list) else dict(names or {})
        return {int(number): _whole(str(name)) for number, name in found.items()}
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise UnreadableError(_("The names of the classes cannot be read: %(error)s.") % {"error": error}) from error


def _whole(name: str) -> str:
    """A name that was written as JSON: YAML reads its escaped pairs as two halves."""
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read(files: Files) -> Found:
    names: dict[int, str] = {}
    for name in files.names(".yaml", ".yml"):
        names = class_names(files.text(name)) or names
    entries = list(files.names(".txt"))
    for name in entries:
        if not names and PurePosixPath(name).name in {"classes.txt", "obj.names"}:
            names = dict(enumerate(line.strip() for line in files.text(name).splitlines() if line.strip()))
    if not names:
        raise UnreadableError(_("A YOLO zip needs the names of its classes: data.yaml or classes.txt."))
    # Where labels have a folder of their own, as in train/labels/, what lies beside it (a README) is none.
    labels = [name for name in entries if "labels" in PurePosixPath(name).parts[:-1]] or entries
    for name in labels:
        if PurePosixPath(name).name not in NO_LABELS:
            *folders, last = PurePosixPath(name).with_suffix("").parts
            if "labels" in folders:
                folders.remove("labels")
            image = "/".join([*folders, last])
            try:
                yield Known(image, list(_boxes(name, files.text(name), names)), relative=True)
            except UnreadableError as error:
                yield Refused(name, error.args[0])


def _boxes(name: str, text: str, names: dict[int, str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            category, box = names[int(fields[0])], [float(field) for field in fields[1:]]
            if len(box) not in {4, 5}:  # with a confidence; more are the corners of a polygon
                raise ValueError(line)
            yield {"category": category, "box": box[:4]}
        except (ValueError, KeyError) as error:
            told = _("%(name)s, line %(number)s: %(line)s is no box of a known class.")
            raise UnreadableError(told % {"name": name, "number": number, "line": repr(line[:80])}) from error
