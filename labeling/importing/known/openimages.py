"""Open Images: CSVs of boxes and of labels of whole images, in a zip with the names of their classes.

Corners are shares of the image's sides. A box around a group (``IsGroupOf``) is no box of one thing, and says all the
same that such things are there. Of an image's labels those with a confidence of a half or more are taken; 0 is a
person's "not there", which tells nothing of other classes. Masks, points, relations and lists of images are passed
over. Source: https://storage.googleapis.com/openimages/web/download_v7.html
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from labeling.importing.known.files import Files, Found, Known, Passed, Refused, UnreadableError, by_entry
from labeling.importing.known.lines import Lines
from labeling.importing.known.table import named
from labeling.text.words import gettext as _

NAMES = "class-descriptions"  # in the name of the file that holds them
NAMELESS = ("/m/", "/g/", "/t/")  # how a class begins that those names are for
LABELS = {"imageid", "labelname", "confidence"}
BOXES = {"imageid", "labelname", "xmin", "xmax", "ymin", "ymax"}
SURE = 0.5


@dataclass
class _Image:
    """What the lines of one image say; ``is_spoiled`` where one of them cannot be used."""

    said: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[str, None] = field(default_factory=dict)
    is_spoiled: bool = False

    def add_box(self, row: dict[str, str], category: str) -> None:
        left, right, top, bottom = (float(row[side]) for side in ("xmin", "xmax", "ymin", "ymax"))
        if row.get("isgroupof") == "1":
            self.groups[category] = None
        else:
            box = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
            self.said.append({"category": category, "box": box})

    def add_label(self, row: dict[str, str], category: str) -> None:
        if float(row["confidence"]) >= SURE and {"category": category} not in self.said:
            self.said.append({"category": category})


def read(files: Files) -> Found:
    lists = [name for name in files.names(".csv") if _is_of_names(name)]
    rows = (row for name in lists for row in csv.reader(io.StringIO(files.text(name))))
    try:
        names = {row[0]: row[1] for row in rows if len(row) > 1}
    except csv.Error as error:
        raise UnreadableError(_("The names of the classes cannot be read: %(error)s.") % {"error": error}) from error
    yield from by_entry(partial(_read, names=names), ".csv")(files)


def _is_of_names(name: str) -> bool:
    return NAMES in PurePosixPath(name).name


def _read(files: Files, name: str, names: dict[str, str]) -> Found:
    if _is_of_names(name):
        return
    try:
        lines = Lines(io.StringIO(files.text(name), newline=""))
    except ValueError as error:
        raise UnreadableError(error.args[0]) from error
    is_boxed = lines.columns >= BOXES
    if not is_boxed and not lines.columns >= LABELS:
        told = _("Its columns are neither those of Open Images' boxes nor those of its labels of images.")
        if not files.is_archive:
            raise UnreadableError(f"{name}: {told}")
        yield Passed(name, told)
        return
    images: dict[str, _Image] = {}
    for number, line, problem in lines:
        row = named(line)
        said = row.get("labelname") or ""
        if not names and said.startswith(NAMELESS):
            told = _("%(class)s is no name. Put the file class-descriptions.csv of Open Images into the zip.")
            raise UnreadableError(told % {"class": said})
        image = images.setdefault(row.get("imageid") or "", _Image())
        try:
            if problem:
                raise ValueError(problem)
            (image.add_box if is_boxed else image.add_label)(row, names.get(said, said))
        except (ValueError, TypeError) as error:
            image.is_spoiled = True
            yield Refused(
                f"{name}, line {number}", problem or _("This is no line of Open Images: %(error)s.") % {"error": error}
            )
    yield from _known(images, is_boxed)


def _known(images: dict[str, _Image], is_boxed: bool) -> Found:
    silent = 0
    # An image of which one box is missing would be wrong altogether.
    for called, image in ((called, image) for called, image in images.items() if not image.is_spoiled):
        if image.said or image.groups:
            groups = tuple(image.groups)
            yield Known(called, image.said, relative=is_boxed, boxed=is_boxed, classed=not is_boxed, crowds=groups)
        else:
            silent += 1
    if silent:
        yield Passed(
            "image", _("Only classes that are not there, or not surely: that tells nothing of others."), silent
        )
