"""Image folders: a folder above a file is its category. The pictures themselves may be empty here.

Which of several folders it is (``train/cat/sub/1.jpg``) is known where the categories are; see ``in_folders``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from labeling.importing.known.files import Files, Known, UnreadableError
from labeling.words import gettext as _

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def read(files: Files) -> Iterator[Known]:
    if not files.is_archive:
        raise UnreadableError(_("%(name)s is no archive: image folders come in a zip or a tar.") % {"name": files.name})
    for name in files.names(*SUFFIXES):
        parts = PurePosixPath(name).parts
        if len(parts) > 1:
            yield Known("/".join(parts[1:]), parts[0], path="/".join(parts))


def in_folders(known: Known, categories: Mapping[str, str]) -> Known:
    """The same file with the first of its folders that is a category's; as it is where none of them is.

    Args:
        known: Of ``read``.
        categories: Folder -> key.
    """
    parts = PurePosixPath(known.path).parts
    for number, part in enumerate(parts[:-1], start=1):
        if part in categories:
            return Known("/".join(parts[number:]), categories[part], known.question, path=known.path)
    return known
