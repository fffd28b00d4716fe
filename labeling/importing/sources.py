"""Where the files of an import come from: one function a source, each giving named items in an order that stays."""

from __future__ import annotations

import contextlib
import io
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile

from labeling.errors import CrowdtuneError
from labeling.files import remote, storage
from labeling.files.imaging import EXTENSIONS, MAX_BYTES
from labeling.importing import archives, bucket, manifest
from labeling.resilience import outages, outside
from labeling.text.spellings import compared, written
from labeling.text.words import gettext as _

SUFFIXES = {f".{extension}" for extension in EXTENSIONS.values()} | {".jpeg", ".jpe", ".jfif", ".tiff"}
MOST_URLS = 100_000
TAKEN = SUFFIXES | {".heic", ".heif"}  # of a folder: phones' photos are refused by name, not passed over


@dataclass(frozen=True)
class Item:
    """One file: ``read`` returns its bytes, or raises a CrowdtuneError that says why not.

    ``size`` is what it holds in memory already: members of an archive are read in its order. ``where`` is how a refusal
    names it (by default its name), ``cursor`` where an import that stopped goes on, if not by the number of items, and
    ``share`` how much of the source has been read with it, where that is told by bytes. Names are what can be written
    down, whatever the source calls its files.
    """

    name: str
    read: Callable[[], bytes]
    size: int = 0
    where: str = ""
    cursor: str = ""
    share: float = 0.0
    label: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("name", "where"):
            object.__setattr__(self, name, written(getattr(self, name)))


def spool_folder(job_id: Any) -> str:
    return f"imports/{job_id}"


def taken(
    job_id: Any, *, files: Sequence[UploadedFile], archive: UploadedFile | None, urls: Sequence[str], s3: str,
    manifest: UploadedFile | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What was sent as a job's arguments, uploads moved into storage; ``s3`` is ``s3://bucket/prefix``.

    Raises:
        CrowdtuneError: invalid, too many addresses; bucket_not_allowed.
        Crowded: As many wait for the store as may.
    """
    arguments: dict[str, Any] = {}
    if s3:
        arguments["s3"] = bucket.allowed(s3, settings.IMPORT_BUCKETS)._asdict()
    if len(urls) > MOST_URLS:
        told = _("At most %(most_urls)s addresses at once, got %(urls)s.")
        raise CrowdtuneError("invalid", told % {"most_urls": MOST_URLS, "urls": len(urls)}, field="urls")
    if urls:
        arguments["urls"] = [str(url) for url in urls]
    alone = {"archive": archive, "manifest": manifest}
    if files or any(alone.values()):
        with outside.stored():
            if files:
                arguments["files"] = [_spool(job_id, number, file) for number, file in enumerate(files)]
            for number, (name, file) in enumerate(alone.items(), start=len(files)):
                if file is not None:
                    arguments[name] = _spool(job_id, number, file)
    return arguments


def spool(job_id: Any, file: UploadedFile) -> dict[str, str]:
    """Move a job's only upload into storage, where the job reads it."""
    with outside.stored():
        return _spool(job_id, 0, file)


def _spool(job_id: Any, number: int, file: UploadedFile) -> dict[str, str]:
    """From its temporary file it is renamed, not copied."""
    file.open()
    try:
        name = storage.put_file(f"{spool_folder(job_id)}/{number:06d}", file)
    except BaseException as error:
        if not outages.store_is_away(error):  # one that hangs would be waited for once more
            clean(job_id)  # what came with it would lie on a full disk for a day
        raise
    file.close()
    folders = getattr(file, "folders", ())
    return {"name": "/".join([*folders, file.name or f"file {number + 1}"]), "spool": name}


def files(arguments: dict[str, Any]) -> Iterator[Item]:
    """Files uploaded one by one, waiting in storage."""
    for entry in arguments["files"]:
        yield Item(entry["name"], partial(storage.read, entry["spool"]))


def archive(arguments: dict[str, Any]) -> Iterator[Item]:
    """Members of an uploaded zip or tar."""
    with _seekable(arguments["archive"]["spool"]) as file:
        size = file.seek(0, io.SEEK_END)
        for member in archives.members(file, most_bytes=MAX_BYTES):
            item = _read_now(member)
            yield replace(item, share=file.tell() / size)


def _read_now(member: archives.Member) -> Item:
    try:
        data = member.read()
    except archives.MemberRefused as error:
        return Item(member.name, _refusal(error))
    return Item(member.name, lambda: data, len(data))


def urls(arguments: dict[str, Any]) -> Iterator[Item]:
    """Pictures at addresses."""
    hosts = remote.Hosts()
    for url in arguments["urls"]:
        yield Item(manifest.name_at(str(url)), partial(hosts.fetch, str(url)), where=str(url))


def folder(arguments: dict[str, Any]) -> Iterator[Item]:
    """Pictures in a folder of this machine and below, in the order of their names; links are not followed."""
    top = Path(arguments["folder"])
    for path in sorted(top.rglob("*")):
        if path.suffix.lower() in TAKEN and path.is_file() and not path.is_symlink():
            yield Item(path.relative_to(top).as_posix(), path.read_bytes)


def objects(arguments: dict[str, Any], after: str = "") -> Iterator[Item]:
    """Objects under a prefix of a bucket. What is not called like a picture is not fetched."""
    place = bucket.Place(**arguments["s3"])
    for found in bucket.objects(place, after=after):
        suffix = PurePosixPath(found.key).suffix.lower()
        is_picture = not suffix or suffix in SUFFIXES
        read = partial(bucket.read, place, found) if is_picture else _refusal(_not_called(suffix))
        yield Item(bucket.name_of(place, found.key), read, cursor=found.key, where=found.key)


def _not_called(suffix: str) -> CrowdtuneError:
    return CrowdtuneError(
        "not_an_image",
        _("A file called %(suffix)s is not fetched; pictures end in %(suffixes)s.")
        % {"suffix": suffix, "suffixes": ", ".join(sorted(SUFFIXES))},
    )


def listed(arguments: dict[str, Any], position: int = 0) -> Iterator[Item]:
    """Images that a manifest names from a row on: at addresses, in a zip beside it, or among files sent with it."""
    hosts = remote.Hosts()
    with contextlib.ExitStack() as stack:
        stored = stack.enter_context(_seekable(arguments["manifest"]["spool"]))
        zipped = arguments.get("archive")
        members = archives.by_name(stack.enter_context(_seekable(zipped["spool"])), MAX_BYTES) if zipped else {}
        files = arguments.get("files", ())
        sent = {compared(entry["name"]): entry["spool"] for entry in files}
        sent |= {entry["name"]: entry["spool"] for entry in files}  # where two differ in nothing else
        for row in itertools.islice(manifest.rows(stored), position, None):
            item = _listed(row, members, sent, hosts)
            yield replace(item, where=f"line {row.line}: {row.name}"[:300], label=row.label, metadata=row.metadata)


def _listed(
    row: manifest.Row, members: Mapping[str, archives.Member], sent: Mapping[str, str], hosts: remote.Hosts
) -> Item:
    if row.problem:
        return Item(row.name, _refusal(CrowdtuneError("bad_row", row.problem)))
    if row.url:
        return Item(row.name, partial(hosts.fetch, row.url))
    if (path := archives.name_of(row.path).lstrip("/")) in members:
        return replace(_read_now(members[path]), name=path if row.name == row.path else row.name)
    for path in (row.path, compared(row.path)):
        if path in sent:
            return Item(row.name, partial(storage.read, sent[path]))
    why = _("There is no file %(path)s among what was sent with the manifest.") % {"path": f"{row.path!r:.120}"}
    return Item(row.name, _refusal(CrowdtuneError("missing", why)))


def _refusal(error: CrowdtuneError) -> Callable[[], bytes]:
    def refuse() -> bytes:
        raise error

    return refuse


# A manifest may come with files or an archive, and is asked for before them.
SOURCES: dict[str, Callable[[dict[str, Any]], Iterator[Item]]] = {
    "s3": objects,
    "files": files,
    "archive": archive,
    "urls": urls,
    "folder": folder,
}


def items(arguments: dict[str, Any], position: int = 0, cursor: str = "") -> Iterator[Item]:
    """The items of the source that the arguments name, from where an import that stopped had come to."""
    if cursor:
        yield from objects(arguments, after=cursor)
        return
    if "manifest" in arguments:
        yield from listed(arguments, position)
        return
    source = next(source for name, source in SOURCES.items() if name in arguments)
    yield from itertools.islice(source(arguments), position, None)


def called(arguments: dict[str, Any]) -> str:
    """The source as a person knows it."""
    if "s3" in arguments:
        return "s3://{bucket}/{prefix}".format(**arguments["s3"])
    return str((arguments.get("manifest") or arguments.get("archive") or {}).get("name", ""))


def nothing_in(arguments: dict[str, Any]) -> CrowdtuneError:
    """What is said of a source without any file."""
    return CrowdtuneError("nothing_found", _("%(source)s holds no file.") % {"source": called(arguments)})


def size(arguments: dict[str, Any]) -> int | None:
    """How many items there will be, where it is known before: of a tar and of a bucket at their end only."""
    if "manifest" in arguments:
        with _seekable(arguments["manifest"]["spool"]) as stored:
            return sum(1 for _row in manifest.rows(stored))
    for name in ("files", "urls"):
        if name in arguments:
            return len(arguments[name])
    if "archive" in arguments:
        with _seekable(arguments["archive"]["spool"]) as stored:
            return archives.count(stored)
    if "folder" in arguments:
        return sum(1 for _item in folder(arguments))
    return None


def clean(job_id: Any) -> None:
    """Remove what waited in storage for this import."""
    top = spool_folder(job_id)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in default_storage.listdir(top)[1]:
            default_storage.delete(f"{top}/{name}")
        default_storage.delete(top)


@contextlib.contextmanager
def opened(name: str) -> Iterator[Any]:
    """What was sent for this import.

    Raises:
        CrowdtuneError: missing, as after a backup that was made while imports ran.
    """
    try:
        stored = default_storage.open(name, "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CrowdtuneError("missing", _("The file is not there any more; send it again.")) from error
    with stored:
        yield stored


@contextlib.contextmanager
def _seekable(name: str) -> Iterator[IO[bytes]]:
    """The stored file, on this machine's disk: an object store's is copied to a file beside the others first."""
    with opened(name) as stored:
        if hasattr(default_storage, "location") and Path(getattr(stored, "name", "")).is_file():
            yield cast("IO[bytes]", stored)
            return
        with tempfile.TemporaryFile(dir=storage.parts_folder()) as copy:
            for chunk in stored.chunks():
                copy.write(chunk)
            copy.seek(0)
            yield copy
