"""What a reader of existing labels gets, and what it gives. Pure.

A label file comes alone, in a zip or in a tar. Entries are read under a limit, links and odd names are passed over, and
XML is read without entities, since the file is a stranger's.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import itertools
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any

from labeling.importing.archives import PIECE, MemberNames, MemberRefused, open_tar, open_zip, tar_entries, zip_name
from labeling.importing.known.lines import encoding_of, not_utf8, workbook
from labeling.text.words import gettext as _

MOST_ENTRY = 256 * 2**20
MOST_ENTRIES = 2_000_000
MOST_PASSED = 100  # kinds that are told: their names are the file's


_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")  # gzip, bzip2 and xz, which tars come in


class UnreadableError(ValueError):
    """The file is not what its format says; the message names the place."""


@dataclass(frozen=True)
class Known:
    """One image's answer. ``image`` is a file name, with or without folders and suffix.

    ``relative`` says that boxes are shares of the image's width and height, as centre and size. ``path`` is the name
    with the folders that it has in an archive, where ``image`` is without them. ``sha256`` is that of the picture's
    bytes and ``size`` its width and height, both where the file tells them. ``boxed`` says that the answer is a list of
    ``{"category", "box"}``; ``classed``, that it is one of ``{"category"}`` of the whole image, and ``sole``, that the
    file tells of no other category: it is there, or not.
    ``crowds`` are categories of which many are there that nobody has boxed one by one. ``control`` is what another tool
    calls the question, which counts where the project calls one so, and ``by`` is who has answered, where several have.
    Where it has ``kinds``, a question of one of these that is called so is meant, or none.
    """

    image: str
    answer: Any
    question: str = ""
    relative: bool = False
    path: str = ""
    sha256: str = ""
    size: tuple[int, int] | None = None
    boxed: bool = False
    crowds: tuple[str, ...] = ()
    classed: bool = False
    sole: bool = False
    control: str = ""
    by: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A part of the file that cannot be used, why, and what a job's report calls that; the parts after it are read."""

    where: str
    why: str
    code: str = "unreadable"


@dataclass(frozen=True)
class Passed:
    """What the file tells beside labels, so many times, of which nothing is made, and why: for the report alone."""

    what: str
    why: str
    count: int = 1


class Files:
    """One uploaded file, as named entries: those of an archive, or the file itself under its own name."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.stream, self.name = stream, name
        start = stream.read(512)
        stream.seek(0)
        self._open: dict[str, Callable[[], IO[bytes]]] | None = None
        if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            self._open = self._zip()
        elif start.startswith(_PACKED) or start[257:262] == b"ustar":
            self._open = self._tar()

    @property
    def is_archive(self) -> bool:
        return self._open is not None

    def _zip(self) -> dict[str, Callable[[], IO[bytes]]]:
        try:
            archive = open_zip(self.stream, MOST_ENTRIES)
        except MemberRefused as error:
            raise UnreadableError(f"{self.name}: {error.message}") from error
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            told = _("%(name)s is a damaged zip: %(error)s.")
            raise UnreadableError(told % {"name": self.name, "error": error}) from error
        named = MemberNames()
        found = {named(zip_name(entry)): partial(archive.open, entry) for entry in archive.infolist()}
        if "xl/workbook.xml" in found:
            raise UnreadableError(workbook())
        return {name: opened for name, opened in found.items() if not name.endswith("/")}

    def _tar(self) -> dict[str, Callable[[], IO[bytes]]]:
        found: dict[str, Callable[[], IO[bytes]]] = {}
        named = MemberNames()
        try:
            archive = open_tar(self.stream)
            for number, entry in enumerate(tar_entries(archive), start=1):
                self._check_count(number)
                if entry.isreg():
                    found[named(entry.name)] = partial(archive.extractfile, entry)  # type: ignore[assignment]
        except UnreadableError:
            raise
        except Exception as error:  # each codec has its own error, as below
            told = _("%(name)s is a damaged tar: %(error)s.")
            raise UnreadableError(told % {"name": self.name, "error": error}) from error
        return found

    def _check_count(self, count: int) -> None:
        if count > MOST_ENTRIES:
            told = _("%(name)s has %(count)s entries; at most %(most)s are read.")
            raise UnreadableError(told % {"name": self.name, "count": count, "most": MOST_ENTRIES})

    def names(self, *suffixes: str) -> Iterator[str]:
        """Entries in their order, only files with one of the suffixes."""
        if self._open is None:
            yield self.name
            return
        for name in self._open:
            path = PurePosixPath(name)
            hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
            if not hidden and path.suffix.lower() in suffixes:
                yield name

    def read(self, name: str) -> bytes:
        """All of one entry; see ``pieces``."""
        data = io.BytesIO()
        for piece in self.pieces(name):
            data.write(piece)
        return data.getvalue()

    def pieces(self, name: str, most: int | None = None) -> Iterator[bytes]:
        """One entry, a piece at a time.

        Raises:
            UnreadableError: It is damaged, or larger than ``most`` (by default MOST_ENTRY), whatever a header said.
        """
        most = most or MOST_ENTRY
        size = 0
        with self._entry(name) as entry:
            while piece := self._piece(entry, name):
                size += len(piece)
                if size > most:
                    told = _("%(name)s is larger than %(most)s MB. Send it in several parts.")
                    raise UnreadableError(told % {"name": name, "most": most // 2**20})
                yield piece

    @contextlib.contextmanager
    def _entry(self, name: str) -> Iterator[IO[bytes]]:
        if self._open is None:
            self.stream.seek(0)
            yield self.stream
            return
        try:
            entry = self._open[name]()
        except Exception as error:  # as where it is read
            raise UnreadableError(_("%(name)s cannot be read: %(error)s.") % {"name": name, "error": error}) from error
        with entry:
            yield entry

    def _piece(self, entry: IO[bytes], name: str) -> bytes:
        try:
            return entry.read(PIECE)
        except Exception as error:  # zlib.error, lzma.LZMAError: each codec has its own and they share no parent
            if self._open is None:
                raise
            raise UnreadableError(_("%(name)s cannot be read: %(error)s.") % {"name": name, "error": error}) from error

    def text(self, name: str) -> str:
        return "".join(self.texts(name))

    def texts(self, name: str, most: int | None = None) -> Iterator[str]:
        """One entry as text, a piece at a time; see ``pieces``."""
        pieces = self.pieces(name, most)
        start = next(pieces, b"")
        decoder = codecs.getincrementaldecoder(encoding_of(start[:2]))()
        try:
            for piece in itertools.chain([start], pieces):
                yield decoder.decode(piece)
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise UnreadableError(f"{name}: {not_utf8()}") from error


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """An image's size as a file tells it; many write 0 or nothing where they do not know."""
    try:
        size = round(float(width)), round(float(height))
    except (TypeError, ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


Found = Iterator[Known | Refused | Passed]
Reader = Callable[[Files], Found]


def by_entry(read_one: Callable[[Files, str], Found], *suffixes: str) -> Reader:
    """A reader of entries that stand for themselves: one of a zip that cannot be read keeps no other from it. What is
    passed over in all of them is told at the end, once of each kind.
    """

    def read(files: Files) -> Found:
        passed: Counter[tuple[str, str]] = Counter()
        for name in files.names(*suffixes):
            try:
                for part in read_one(files, name):
                    if isinstance(part, Passed):
                        passed[part.what, part.why] += part.count
                    else:
                        yield part
            except UnreadableError as error:
                if not files.is_archive:
                    raise
                yield Refused(name, error.args[0])
        yield from (Passed(what, why, count) for (what, why), count in passed.most_common(MOST_PASSED))

    return read
