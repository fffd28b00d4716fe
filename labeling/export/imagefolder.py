"""Image folders: a zip with one folder per category and the pictures in it, as Keras and torchvision read them.

Only final labels of the first class question; pictures that nobody could tell are left out.
Source: https://keras.io/api/data_loading/image/#imagedatasetfromdirectory-function
"""

from __future__ import annotations

import re
import zipfile
from typing import IO

from labeling.export.rows import ExportRefusedError, Format, Header, Rows, class_of
from labeling.words import gettext as _


def folder(category: str) -> str:
    """A category as a folder's name on any system."""
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", category).strip(" .") or "_"


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    question = header.first("single_choice", "yes_no")
    if question is None:
        raise ExportRefusedError(_("Image folders hold one class per image, and this project asks for none."))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for row in rows():
            label = row.labels.get(question.key)
            category = class_of(label.answer) if label is not None and label.final else None
            if category in question.choices:
                above = f"{folder(str(category))}/"
                # A picture that came in such a folder has it in its name already.
                archive.writestr(row.name if row.name.startswith(above) else above + row.name, row.read())


IMAGEFOLDER = Format(_("Image folder (zip)"), "zip", write)
