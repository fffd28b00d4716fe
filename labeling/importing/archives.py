"""Members of a zip or tar that a stranger sent, one at a time, each under limits. Pure.

Nothing is ever written under a member's name, so ``../`` can do no harm; it is refused all the same, because whoever
made such an archive meant something by it. Links, devices, encrypted and nested archives are refused by name, a member
is read only up to the limit whatever its header claims, and the sum of all is limited.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any

from labeling.errors import CrowdtuneError
from labeling.text.spellings import composed
from labeling.text.words import gettext as _

MOST_MEMBERS = 500_000
MOST_TOTAL = 200 * 2**30
_LINE = 512  # bytes of a zip's list for each member it may have: a name with folders, and what stands beside it
# A photograph hardly shrinks in a zip; what grows more than this was made to.
MOST_RATIO = 200
_IS_UTF8 = 0x800  # the flag that says so. Source: PKWARE's APPNOTE, 4.4.4
PIECE = 2**20  # bytes read at once; no header is longer
_NESTED = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"}
_JUNK = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}


class MemberRefused(CrowdtuneError):
    """One member, or the whole archive, cannot be taken; ``code`` and ``message`` say why."""


class _Pieces:
    """A tar's bytes, a piece at a time: tarfile reads a header at once, however long its name says that it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.tell, self.seek, self.close = file.tell, file.seek, file.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= PIECE:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.file.read(size)


class _Tar(tarfile.TarFile):
    def __init__(self, name: Any = None, mode: Any = "r", fileobj: Any = None, **options: Any) -> None:
        super().__init__(name, mode, _Pieces(fileobj), **options)  # type: ignore[arg-type]


class _Listed:
    """A zip's bytes until its list of members is read: zipfile makes half a kilobyte of each, however many there are,
    and what the file says of their number need not be so.
    """

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.most = file, most
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        if size > self.most * _LINE:
            raise _too_many(self.most)
        data = self.file.read(size)
        if data.count(b"PK\x01\x02") > self.most:  # each line of the list begins so
            raise _too_many(self.most)
        return data


def open_zip(file: IO[bytes], most: int) -> zipfile.ZipFile:
    """
    Raises:
        MemberRefused: too_many_files.
        zipfile.BadZipFile, OSError, ValueError, NotImplementedError: It is damaged.
    """
    archive = zipfile.ZipFile(_Listed(file, most))
    archive.fp = file
    return archive


@dataclass(frozen=True)
class Member:
    """``read`` returns at most the limit's bytes or raises MemberRefused."""

    name: str
    read: Callable[[], bytes]


def members(file: IO[bytes], *, most_bytes: int) -> Iterator[Member]:
    """Every file in the archive, in its order; the same order each time, so an import can go on where it stopped.

    Args:
        file: Seekable.
        most_bytes: The most that is taken of one member.

    Raises:
        MemberRefused: not_an_archive or damaged_archive.
    """
    if zipfile.is_zipfile(file):
        file.seek(0)
        yield from _zip(file, most_bytes)
        return
    try:
        archive = open_tar(file)  # closed by the with below
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise MemberRefused(
            "not_an_archive", _("Expected a zip or a tar (also .gz, .bz2, .xz); this is none.")
        ) from error
    with archive:
        yield from _tar(archive, most_bytes)


def name_of(name: str) -> str:
    """A member's name with slashes, where an archiver of Windows wrote backslashes, and without a folder for here."""
    return slashed(composed(name))


def zip_name(info: zipfile.ZipInfo) -> str:
    """A zip's member by the name that was meant: Macs, and many an archiver of Unix, write UTF-8 and do not say so, and
    it is read as letters of DOS.
    """
    try:
        return info.filename if info.flag_bits & _IS_UTF8 else info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def slashed(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


class MemberNames:
    """What the members of an archive are called: see ``name_of``; of two that differ in their spelling alone (see
    ``labeling.text.spellings``), which one name would make one, the second as it is spelled.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, name: str) -> str:
        called = name_of(name)
        if called.isascii() or called not in self._seen:
            self._seen |= set() if called.isascii() else {called}
            return called
        return slashed(name)


def open_tar(file: IO[bytes]) -> tarfile.TarFile:
    """A tar, packed or not, whose headers are read a piece at a time."""
    file.seek(0)
    return _Tar.open(fileobj=file, mode="r:*")


def tar_entries(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The headers of a tar, of which none is kept: tarfile itself keeps every one.

    Raises:
        tarfile.ReadError: A header leads back, for ever. Codecs raise errors of their own on what is cut off.
    """
    while (entry := archive.next()) is not None:
        if archive.offset <= entry.offset:  # its size is below zero
            raise tarfile.ReadError("a member ends before it begins")
        archive.members = []  # type: ignore[attr-defined]
        yield entry


def count(file: IO[bytes]) -> int | None:
    """How many members ``members`` will give of a zip; None for a tar, which says so at its end only."""
    try:
        with open_zip(file, MOST_MEMBERS) as archive:
            return sum(_is_meant(info) for info in archive.infolist())
    except (MemberRefused, zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None


def _is_meant(info: zipfile.ZipInfo) -> bool:
    name = name_of(zip_name(info))
    return not (name.endswith("/") or _is_junk(name))


def by_name(file: IO[bytes], most_bytes: int) -> dict[str, Member]:
    """The members of a zip, to be read in any order while the file is open.

    Raises:
        MemberRefused: not_a_zip (a tar can only be read in its own order) or damaged_archive.
    """
    if not zipfile.is_zipfile(file):
        raise MemberRefused("not_a_zip", _("The files of a manifest come in a zip; this is none."))
    archive = _opened(file)
    found = {}
    total = 0
    names = MemberNames()
    for number, info in enumerate(archive.infolist()):
        total += info.file_size
        _check_sums(number, total)
        if not info.is_dir():
            name = names(zip_name(info))
            found[name] = Member(name, partial(_read_zip, archive, info, most_bytes))
    return found


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    try:
        return open_zip(file, MOST_MEMBERS)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise MemberRefused("damaged_archive", _("The zip is damaged: %(error)s.") % {"error": error}) from error


def _zip(file: IO[bytes], most_bytes: int) -> Iterator[Member]:
    with _opened(file) as archive:
        total = 0
        names = MemberNames()
        for number, info in enumerate(archive.infolist()):
            if not _is_meant(info):
                continue
            total += info.file_size
            _check_sums(number, total)
            yield Member(names(zip_name(info)), partial(_read_zip, archive, info, most_bytes))


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most_bytes: int) -> bytes:
    _check_name(info.orig_filename)
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise MemberRefused("link", _("Links and devices in an archive are not followed."))
    if info.flag_bits & 0x1:
        raise MemberRefused("encrypted", _("The member is encrypted; send the archive without a password."))
    if info.file_size > most_bytes:
        raise _too_large(most_bytes, info.file_size)
    if info.file_size > MOST_RATIO * max(info.compress_size, 1024):
        told = _("It unpacks to more than %(most)s times its size, as no photograph does. Send it by itself.")
        raise MemberRefused("too_large", told % {"most": MOST_RATIO})
    try:
        with archive.open(info) as member:
            return _bounded(member, most_bytes)
    except Exception as error:  # zlib.error, lzma.LZMAError: each codec has its own and they share no parent
        raise _damaged(error) from error


def _tar(archive: tarfile.TarFile, most_bytes: int) -> Iterator[Member]:
    total = 0
    number = 0
    names = MemberNames()
    entries = tar_entries(archive)
    while True:
        try:
            info = next(entries, None)
        except Exception as error:  # a cut-off compressed stream raises its codec's own error
            raise MemberRefused(
                "damaged_archive", _("The tar is cut off or damaged: %(error)s.") % {"error": error}
            ) from error
        if info is None:
            return
        number += 1
        total += info.size
        _check_sums(number, total)
        if info.isdir() or _is_junk(info.name):
            continue
        yield Member(names(info.name), partial(_read_tar, archive, info, most_bytes))


def _read_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, most_bytes: int) -> bytes:
    _check_name(info.name)
    if not info.isreg():
        raise MemberRefused("link", _("Links and devices in an archive are not followed."))
    if info.size > most_bytes:
        raise _too_large(most_bytes, info.size)
    try:
        member = archive.extractfile(info)
        return b"" if member is None else _bounded(member, most_bytes)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise _damaged(error) from error


def _bounded(member: IO[bytes], most_bytes: int) -> bytes:
    """Never more than the limit in memory, whatever the header said."""
    data = io.BytesIO()
    while data.tell() <= most_bytes and (part := member.read(PIECE)):
        data.write(part)
    if data.tell() > most_bytes:
        raise _too_large(most_bytes, data.tell())
    return data.getvalue()


def _too_large(most_bytes: int, size: int) -> MemberRefused:
    told = _("At most %(most)s MB are accepted per file, got %(size)s bytes unpacked.")
    return MemberRefused("too_large", told % {"most": most_bytes // 2**20, "size": size})


def _too_many(most: int) -> MemberRefused:
    told = _("At most %(most)s files are accepted in one archive. Send them in several.")
    return MemberRefused("too_many_files", told % {"most": f"{most:,}"})


def _damaged(error: Exception) -> MemberRefused:
    return MemberRefused("damaged", _("The member cannot be unpacked: %(error)s.") % {"error": error})


def _check_name(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\x00" in name or (len(name) > 1 and name[1] == ":"):
        raise MemberRefused(
            "unsafe_name", _("The name %(name)s leads out of the archive.") % {"name": f"{name!r:.120}"}
        )
    if path.suffix.lower() in _NESTED:
        raise MemberRefused("nested_archive", _("Archives inside an archive are not opened; send them by themselves."))


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(set(parts) & _JUNK) or (bool(parts) and parts[-1].startswith("._"))


def _check_sums(number: int, total: int) -> None:
    if number > MOST_MEMBERS:
        raise _too_many(MOST_MEMBERS)
    if total > MOST_TOTAL:
        raise MemberRefused(
            "too_large", _("The archive unpacks to more than %(most)s GB.") % {"most": MOST_TOTAL // 2**30}
        )
