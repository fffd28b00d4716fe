"""Where pictures lie and how a browser gets them.

Files are content-addressed (``projects/7/ab/ab12….display.jpg``), so a name never changes its content and may be cached
for ever. In a local folder an address is signed by us and served by a view under /media/; in an object store it is a
presigned address of the store, and no bytes pass through Django. An address stays the same for a day, so that a browser
finds what it has preloaded, and works for one more.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal

from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage

from labeling.models import Image

Variant = Literal["original", "display", "thumbnail"]
DAY = 86_400
PARTS = "parts"  # where files wait that are not whole yet


def image_name(project_id: int, sha256: str, variant: Variant, extension: str) -> str:
    return f"projects/{project_id}/{sha256[:2]}/{sha256}.{variant}.{extension}"


def put(name: str, data: bytes) -> str:
    """Store bytes under exactly this name. What lies there whole is the same; what a crash cut off is replaced."""
    if default_storage.exists(name) and default_storage.size(name) == len(data):
        return name
    return put_file(name, ContentFile(data))


def put_file(name: str, file: File) -> str:
    """Store a file under exactly this name, in place of what lies there.

    It appears whole or not at all: two who store the same picture at once do not meet half of each other's. What a kill
    leaves lies in PARTS, where it is tidied up.
    """
    if not isinstance(default_storage, FileSystemStorage):
        return default_storage.save(name, file)  # a store shows what is whole, and overwrites (config/databases.py)
    part = f"{PARTS}/{secrets.token_hex(16)}"
    try:
        default_storage.save(part, file)
        default_storage.save(name, Whole(default_storage.path(part)))
    finally:
        default_storage.delete(part)  # nothing of it stays on a disk that was full
    return name


def put_path(name: str, path: Path) -> str:
    """Store a file of this machine's disk as ``put_file`` does; a local storage takes it away from there."""
    with path.open("rb") as file:
        return put_file(name, Whole(str(path), file))


def parts_folder() -> Path:
    """Where what is not whole yet may lie: on the disk of the files, or under DATA_DIR where a store has them.

    What a kill leaves there goes after a day (``labeling.upkeep.tidying``); the system's temporary folder keeps it.
    """
    files = Path(default_storage.path("")) if isinstance(default_storage, FileSystemStorage) else settings.DATA_DIR
    folder = Path(files) / PARTS
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def drafts(job_id: Any) -> Iterator[Path]:
    """A folder for what a job makes, on the disk where it will lie: a large file fits no /tmp that is in memory.

    What an attempt before has left is removed first: it was killed, or was only slow and has lost the job.
    """
    for left in parts_folder().glob(f"{job_id}-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{job_id}-", dir=parts_folder()) as folder:
        yield Path(folder)


class Whole(File):
    """A file of the disk, which Django's storage moves to its name, and a store reads."""

    def __init__(self, path: str, file: IO[bytes] | None = None) -> None:
        super().__init__(file, path)
        self.path = path

    def temporary_file_path(self) -> str:
        return self.path


def read(name: str) -> bytes:
    with default_storage.open(name, "rb") as file:
        return file.read()


def read_original(image: Image) -> bytes:
    """The bytes as they were uploaded."""
    return read(image.original)


def image_url(image: Image, variant: Variant = "display") -> str:
    """An address that anyone who holds it can read for one to two days, and cache."""
    return file_url(getattr(image, variant))


def file_url(name: str) -> str:
    if isinstance(default_storage, FileSystemStorage):
        until = (int(time.time()) // DAY + 2) * DAY
        return f"/media/{until:x}.{_signature(name, until)}/{name}"
    key = f"presigned:{name}"
    address: str | None = cache.get(key)
    if address is None:
        address = default_storage.url(name)
        cache.set(key, address, timeout=_presigned_seconds() // 2)
    return address


def is_valid(name: str, signature: str) -> bool:
    """Whether ``signature`` (as in a local address) was made by us for this name and is not over."""
    until, _, digest = signature.partition(".")
    try:
        moment = int(until, 16)
    except ValueError:
        return False
    return hmac.compare_digest(digest.encode(), _signature(name, moment).encode()) and moment > time.time()


@lru_cache(maxsize=20_000)
def _signature(name: str, until: int) -> str:
    digest = hmac.digest(_key(), f"{until:x} {name}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


@lru_cache(maxsize=1)
def _key() -> bytes:
    return hashlib.sha256(b"media addresses " + settings.SECRET_KEY.encode()).digest()


def _presigned_seconds() -> int:
    return int(getattr(default_storage, "querystring_expire", 3600))
