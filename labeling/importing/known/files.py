"""What a reader of existing labels gets, and what it gives. Pure.

A label file comes alone or in a zip. Entries are read under a limit, links and odd names are passed over, and XML is
read without entities, since the file is a stranger's.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from labeling.words import gettext as _

MOST_ENTRY = 256 * 2**20
MOST_ENTRIES = 2_000_000


class UnreadableError(ValueError):
    """The file is not what its format says; the message names the place."""


@dataclass(frozen=True)
class Known:
    """One image's answer. ``image`` is a file name, with or without folders and suffix.

    ``relative`` says that boxes are shares of the image's width and height, as centre and size. ``path`` is the whole
    name in an archive of pictures, of which folders are the answer.
    """

    image: str
    answer: Any
    question: str = ""
    relative: bool = False
    path: str = ""


@dataclass(frozen=True)
class Refused:
    """A part of the file that cannot be used, and why; the parts after it are read."""

    where: str
    why: str


class Files:
    """One uploaded file, as named entries: those of a zip, or the file itself under its own name."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.stream, self.name = stream, name
        start = stream.read(4)
        stream.seek(0)
        try:
            self.archive = zipfile.ZipFile(stream) if start == b"PK\x03\x04" else None
        except zipfile.BadZipFile as error:
            raise UnreadableError(
                _("%(name)s is a damaged zip: %(error)s.") % {"name": name, "error": error}
            ) from error

    def names(self, *suffixes: str) -> Iterator[str]:
        """Entries in their order, only files with one of the suffixes."""
        if self.archive is None:
            yield self.name
            return
        entries = self.archive.infolist()
        if len(entries) > MOST_ENTRIES:
            told = _("%(name)s has %(count)s entries; at most %(most)s are read.")
            raise UnreadableError(told % {"name": self.name, "count": len(entries), "most": MOST_ENTRIES})
        for entry in entries:
            path = PurePosixPath(entry.filename)
            hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
            if not entry.is_dir() and not hidden and path.suffix.lower() in suffixes:
                yield entry.filename

    def read(self, name: str) -> bytes:
        """All of one entry.

        Raises:
            UnreadableError: It is damaged, or larger than MOST_ENTRY.
        """
        if self.archive is None:
            self.stream.seek(0)
            data = self.stream.read(MOST_ENTRY + 1)
        else:
            try:
                with self.archive.open(name) as entry:
                    data = entry.read(MOST_ENTRY + 1)
            except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
                raise UnreadableError(
                    _("%(name)s cannot be read: %(error)s.") % {"name": name, "error": error}
                ) from error
        if len(data) > MOST_ENTRY:
            raise UnreadableError(
                _("%(name)s is larger than %(most)s MB.") % {"name": name, "most": MOST_ENTRY // 2**20}
            )
        return data

    def text(self, name: str) -> str:
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnreadableError(_("%(name)s is not UTF-8 text.") % {"name": name}) from error


Found = Iterator[Known | Refused]
Reader = Callable[[Files], Found]


def by_entry(read_one: Callable[[Files, str], Found], *suffixes: str) -> Reader:
    """A reader of entries that stand for themselves: one of a zip that cannot be read keeps no other from it."""

    def read(files: Files) -> Found:
        for name in files.names(*suffixes):
            try:
                yield from read_one(files, name)
            except UnreadableError as error:
                if files.archive is None:
                    raise
                yield Refused(name, error.args[0])

    return read
