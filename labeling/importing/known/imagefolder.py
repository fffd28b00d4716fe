"""Image folders: the folder right above a file is its category. The pictures themselves may be empty here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from labeling.importing.known.files import Files, Known

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def read(files: Files) -> Iterator[Known]:
    for name in files.names(*SUFFIXES):
        parts = PurePosixPath(name).parts
        if len(parts) > 1:
            yield Known("/".join(parts[1:]) if len(parts) > 2 else parts[-1], parts[0])
