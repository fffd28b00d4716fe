"""Image folders: a zip with one folder per category and the pictures in it, as Keras and torchvision read them.

Only final labels of the first class question; pictures that nobody could tell are left out.
Source: https://keras.io/api/data_loading/image/#imagedatasetfromdirectory-function
"""

from __future__ import annotations

import itertools
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import IO

from labeling.export.rows import ExportRefusedError, Format, Header, Rows, class_of
from labeling.spellings import folded
from labeling.words import gettext as _


def _plain(category: str) -> str:
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", category).strip(" .") or "_"


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
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for row in rows():
            label = row.labels.get(question.key)
            category = class_of(label.answer) if label is not None and label.final else None
            if category in folder_of:
                above = f"{folder_of[category]}/"
                # A picture that came in such a folder has it in its name already.
                archive.writestr(row.name if row.name.startswith(above) else above + row.name, row.read())


IMAGEFOLDER = Format(_("Image folder (zip)"), "zip", write, files="name")
