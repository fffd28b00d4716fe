"""YOLO: a zip of one text file per image, with the class names in ``data.yaml`` (or, a line each, in ``classes.txt``,
Darknet's ``obj.names`` or ``coco.names``, or Roboflow's ``_darknet.labels``). The corners of a polygon stand for the
box around them; points of a pose are passed over.

Source: https://docs.ultralytics.com/datasets/detect/ , https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from labeling.importing.known.files import Files, Found, Known, Refused, UnreadableError
from labeling.text.spellings import composed
from labeling.text.words import gettext as _

NO_LABELS = {"classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "images.txt"}
MOST_NAMES = 2 * 2**20  # of characters: twenty thousand classes of ImageNet take a quarter of it


def class_names(text: str) -> dict[int, str]:
    """``names`` of a data.yaml, a list or a mapping; every scalar is text, so that no class is called True."""
    if len(text) > MOST_NAMES:  # YAML is read slowly, and takes many times its size of memory
        told = _("The names of the classes take more than %(most)s MB.") % {"most": MOST_NAMES // 2**20}
        raise UnreadableError(told)
    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)
        names = document.get("names") if isinstance(document, dict) else None
        found = dict(enumerate(names)) if isinstance(names, list) else names if isinstance(names, dict) else {}
        return {int(number): _whole(name) for number, name in found.items()}
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise UnreadableError(_("The names of the classes cannot be read: %(error)s.") % {"error": error}) from error


def _whole(name: Any) -> str:
    """A name that was written as JSON: YAML reads its escaped pairs as two halves.

    Raises:
        TypeError: It is no text. A list of aliases of lists of aliases has no end when it is written out.
    """
    if not isinstance(name, str):
        raise TypeError(_("expected the name of a class, got a list or a mapping"))
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read(files: Files) -> Found:
    names: dict[int, str] = {}
    is_pose = False
    for name in files.names(".yaml", ".yml"):
        text = files.text(name)
        names, is_pose = class_names(text) or names, is_pose or "kpt_shape" in text
    entries = list(files.names(".txt"))
    listed = [name for name in entries if PurePosixPath(name).name == "classes.txt"]
    for name in [*files.names(".names", ".labels"), *listed]:
        if not names:
            names = dict(enumerate(line.strip() for line in files.text(name).splitlines() if line.strip()))
    if not names or not files.is_archive:  # a file by itself would be each of these
        raise UnreadableError(_("A YOLO zip needs the names of its classes: data.yaml or classes.txt."))
    # Where labels have a folder of their own, as in train/labels/, what lies beside it (a README) is none.
    labels = [name for name in entries if "labels" in PurePosixPath(name).parts[:-1]] or entries
    hashes = _hashes(files)
    for name in labels:
        if PurePosixPath(name).name not in NO_LABELS:
            image = _picture(name, "labels")
            try:
                boxes = list(_boxes(name, files.text(name), names, is_pose))
                yield Known(image, boxes, relative=True, boxed=True, sha256=hashes.get(composed(image), ""))
            except UnreadableError as error:
                yield Refused(name, error.args[0])


def _picture(name: str, beside: str) -> str:
    """The picture that a file is about: its name without the folder of all of these, and without suffix."""
    *folders, last = PurePosixPath(name).with_suffix("").parts
    if beside in folders:
        folders.remove(beside)
    return "/".join([*folders, last])


def _hashes(files: Files) -> dict[str, str]:
    """Of the pictures, as our own exports tell them."""
    lines = [line.partition("  ") for name in files.names(".sha256") for line in files.text(name).split("\n")]
    return {composed(_picture(name, "images")): sha256 for sha256, _spaces, name in lines if name}


def _around(across: list[float], down: list[float]) -> list[float]:
    """The box around a polygon's corners, as centre and size."""
    left, top, right, bottom = min(across), min(down), max(across), max(down)
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def _boxes(name: str, text: str, names: dict[int, str], is_pose: bool) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            category, *box = map(float, fields)
            if category % 1:  # a table of numbers is written with all of them as such: 0.000e+00
                raise ValueError(line)
            if len(box) >= 6 and len(box) % 2 == 0 and not is_pose:
                box = _around(box[0::2], box[1::2])
            elif len(box) not in {4, 5} and not (is_pose and len(box) > 5):  # the fifth is a confidence
                raise ValueError(line)
            yield {"category": names[int(category)], "box": box[:4]}
        except (ValueError, KeyError) as error:
            told = _("%(name)s, line %(number)s: %(line)s is no box of a known class.")
            raise UnreadableError(told % {"name": name, "number": number, "line": repr(line[:80])}) from error
