"""YOLO: a zip of one text file per image, with the class names in ``data.yaml`` (or ``classes.txt``, one a line).

Source: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Known, UnreadableError
from labeling.words import gettext as _

_NAME = re.compile(r"^\s+(\d+):\s*(.+?)\s*$", re.MULTILINE)
_LIST = re.compile(r"^names:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^names:\s*\n((?:\s*-\s*.+\n?)+)", re.MULTILINE)


def class_names(text: str) -> dict[int, str]:
    """``names`` of a data.yaml: a mapping, a flow list or a block list. Enough YAML for that, and no more."""
    text = text + "\n"
    listed = _LIST.search(text)
    if listed:
        return dict(enumerate(_plain(item) for item in listed[1].split(",") if item.strip()))
    block = _ITEM.search(text)
    if block:
        return dict(enumerate(_plain(line.strip()[1:]) for line in block[1].strip().splitlines()))
    return {int(number): _plain(name) for number, name in _NAME.findall(text)}


def _plain(value: str) -> str:
    value = value.strip()
    if value.startswith('"') and value.endswith('"'):
        return str(json.loads(value))
    return value[1:-1].replace("''", "'") if value.startswith("'") and value.endswith("'") else value


def read(files: Files) -> Iterator[Known]:
    names: dict[int, str] = {}
    for name in files.names(".yaml", ".yml"):
        names = class_names(files.text(name))
    entries = list(files.names(".txt"))
    for name in entries:
        if not names and PurePosixPath(name).name in {"classes.txt", "obj.names"}:
            names = dict(enumerate(line.strip() for line in files.text(name).splitlines() if line.strip()))
    if not names:
        raise UnreadableError(_("A YOLO zip needs the names of its classes: data.yaml or classes.txt."))
    for name in entries:
        if PurePosixPath(name).name not in {"classes.txt", "train.txt", "val.txt", "test.txt"}:
            parts = PurePosixPath(name).with_suffix("").parts
            image = "/".join(parts[1:] if parts[0] == "labels" and len(parts) > 1 else parts)
            yield Known(image, list(_boxes(name, files.text(name), names)), relative=True)


def _boxes(name: str, text: str, names: dict[int, str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            yield {"category": names[int(fields[0])], "box": [float(field) for field in fields[1:5]]}
        except (ValueError, KeyError) as error:
            told = _("%(name)s, line %(number)s: %(line)s is no box of a known class.")
            raise UnreadableError(told % {"name": name, "number": number, "line": repr(line[:80])}) from error
