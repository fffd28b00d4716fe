"""Image folders: a zip with one folder per category and the pictures in it, as Keras and torchvision read them.

Labels of the first class question; pictures that nobody could tell are left out. They lie in the folder of their
category itself: of a picture in a folder below, Hugging Face takes that one's name for its category, and where
folders are of several depths none at all.
Source: https://keras.io/api/data_loading/image/#imagedatasetfromdirectory-function ,
https://huggingface.co/docs/datasets/image_dataset
"""

from __future__ import annotations

import itertools
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO

from labeling.export import zips
from labeling.export.rows import ExportRefusedError, Format, Header, Row, Rows, class_of
from labeling.text.spellings import folded, no_device
from labeling.text.words import gettext as _


def _plain(category: str) -> str:
    return no_device(re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", category).strip(" .") or "_")


def folders(categories: Iterable[str]) -> dict[str, str]:
    """Category -> its folder's name on any system. Where two would share one, as a_b and a:b, or Cat and cat on a Mac
    or on Windows, each has its own; of those a category that can be a folder's name as it is comes first, and keeps it.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    rest = []
    for category in categories:
        if _plain(category) == category and folded(category) not in taken:
            found[category] = category
            taken.add(folded(category))
        else:
            rest.append(category)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(2))
    for category in sorted(rest, key=lambda category: _plain(category) != category):
        name = plain = _plain(category)
        while folded(name) in taken:
            name = f"{plain}_{next(numbers[plain])}"
        found[category] = name
        taken.add(folded(name))
    return found


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    question = header.first("single_choice", "yes_no")
    if question is None:
        raise ExportRefusedError(_("Image folders hold one category per image, and this project asks for none."))
    folder_of = folders(question.choices)
    with zips.writing(out, zipfile.ZIP_STORED) as archive:
        for row in rows():
            label = row.labels.get(question.key)
            category = class_of(label.answer) if label is not None else None
            if category in folder_of:
                archive.writestr(f"{folder_of[category]}/{_flat(row, folder_of[category])}", row.read())


def _flat(row: Row, folder: str) -> str:
    """The picture's name without folders, and with its number where it had others than its category's own."""
    name = row.name.removeprefix(f"{folder}/")
    number, last = f"{row.image_id}-", PurePosixPath(name).name
    return name if name == last else number + last.removeprefix(number)


IMAGEFOLDER = Format(_("Image folder (zip)"), "zip", write, files="name")
