"""Where the files of an import come from: one function a source, each giving named items in an order that stays."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

from django.core.files.storage import default_storage

from labeling import storage
from labeling.imaging import EXTENSIONS, MAX_BYTES
from labeling.importing import archives, remote

SUFFIXES = {f".{extension}" for extension in EXTENSIONS.values()} | {".jpeg", ".tiff"}


@dataclass(frozen=True)
class Item:
    """One file: ``read`` returns its bytes, or raises a CrowdtuneError that says why not.

    ``size`` is what it holds in memory already: members of an archive are read in its order.
    """

    name: str
    read: Callable[[], bytes]
    size: int = 0


def spool_folder(job_id: Any) -> str:
    return f"imports/{job_id}"


def files(arguments: dict[str, Any]) -> Iterator[Item]:
    """Files uploaded one by one, waiting in storage."""
    for entry in arguments["files"]:
        yield Item(entry["name"], lambda spool=entry["spool"]: storage.read(spool))  # type: ignore[misc]


def archive(arguments: dict[str, Any]) -> Iterator[Item]:
    """Members of an uploaded zip or tar."""
    with _seekable(arguments["archive"]["spool"]) as file:
        for member in archives.members(file, most_bytes=MAX_BYTES):
            yield _read_now(member)


def _read_now(member: archives.Member) -> Item:
    try:
        data = member.read()
    except archives.MemberRefused as error:
        refusal = error
    else:
        return Item(member.name, lambda: data, len(data))

    def refuse() -> bytes:
        raise refusal

    return Item(member.name, refuse)


def urls(arguments: dict[str, Any]) -> Iterator[Item]:
    """Pictures at addresses."""
    for url in arguments["urls"]:
        name = PurePosixPath(unquote(urlsplit(str(url)).path)).name or str(url)
        yield Item(name, lambda url=url: remote.fetch(str(url)))  # type: ignore[misc]


def folder(arguments: dict[str, Any]) -> Iterator[Item]:
    """Pictures in a folder of this machine and below, in the order of their names; links are not followed."""
    top = Path(arguments["folder"])
    for path in sorted(top.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink():
            yield Item(path.relative_to(top).as_posix(), path.read_bytes)


SOURCES: dict[str, Callable[[dict[str, Any]], Iterator[Item]]] = {
    "files": files,
    "archive": archive,
    "urls": urls,
    "folder": folder,
}


def items(arguments: dict[str, Any]) -> Iterator[Item]:
    """The items of the one source that the arguments name."""
    for name, source in SOURCES.items():
        if name in arguments:
            yield from source(arguments)


def size(arguments: dict[str, Any]) -> int | None:
    """How many items there will be, where it is known before."""
    for name in ("files", "urls"):
        if name in arguments:
            return len(arguments[name])
    return None


def clean(job_id: Any) -> None:
    """Remove what waited in storage for this import."""
    top = spool_folder(job_id)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in default_storage.listdir(top)[1]:
            default_storage.delete(f"{top}/{name}")
        default_storage.delete(top)


@contextlib.contextmanager
def _seekable(name: str) -> Iterator[IO[bytes]]:
    """The stored file, on this machine's disk: an object store's is copied to a temporary file first."""
    with default_storage.open(name, "rb") as stored:
        if hasattr(default_storage, "location") and Path(getattr(stored, "name", "")).is_file():
            yield cast("IO[bytes]", stored)
            return
        with tempfile.TemporaryFile() as copy:
            for chunk in stored.chunks():
                copy.write(chunk)
            copy.seek(0)
            yield copy
