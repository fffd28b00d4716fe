"""Image folders: a folder above a file is its category. The pictures themselves may be empty here.

Which of several folders it is (``train/cat/sub/1.jpg``) is known where the categories are; see ``in_folders``. Where a
name begins as those do that an export had to change, the picture is known by its bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from labeling.importing.known.files import Files, Known, UnreadableError
from labeling.text.words import gettext as _

_CHANGED = re.compile(r"\d+-")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


def read(files: Files) -> Iterator[Known]:
    if not files.is_archive:
        raise UnreadableError(_("%(name)s is no archive: image folders come in a zip or a tar.") % {"name": files.name})
    for name in files.names(*SUFFIXES, ".jpe", ".jfif"):
        parts = PurePosixPath(name).parts
        if len(parts) > 1:
            sha256 = hashlib.sha256(files.read(name)).hexdigest() if _CHANGED.match(parts[-1]) else ""
            yield Known("/".join(parts[1:]), parts[0], path="/".join(parts), sha256=sha256)


def in_folders(known: Known, *ways: Callable[[str], str | None]) -> Known:
    """The same file with the first of its folders that is a category's; as it is where none of them is.

    Args:
        known: Of ``read``.
        ways: Folder -> key, the surest way first.
    """
    parts = PurePosixPath(known.path).parts
    for key_of in ways:
        for number, part in enumerate(parts[:-1], start=1):
            if key := key_of(part):
                return replace(known, image="/".join(parts[number:]), answer=key)
    return known
