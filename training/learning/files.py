"""Files that appear whole or not at all, one maker at a time, and that can be told from damaged ones.

``write_atomic`` and ``folder_atomic`` write beside the target and rename; ``write_arrays`` does so with an .npz, which
``read_arrays`` reads without unpickling anything; ``locked`` is an advisory lock between processes (POSIX flock);
``digest_of`` hashes in constant memory, once.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

HEARD_EVERY = 0.2  # seconds between two looks of somebody who waits, and may be told to stop


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write beside ``path``, then rename: a reader sees the old file or the new one, a kill leaves no half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """One .npz, written as by ``write_atomic``; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(path, buffer.getbuffer())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What ``write_arrays`` wrote. Of damaged bytes zip and numpy each raise what they like."""
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:  # numpy leaves a damaged one open
        return {name: file[name] for name in file.files}


@contextmanager
def folder_atomic(folder: Path) -> Iterator[Path]:
    """A temporary sibling to fill; it takes ``folder``'s name when the block ends well, and vanishes when it does not.

    Where ``folder`` exists already it is replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.old")
            folder.rename(old)
            temporary.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file ``path``; others wait. The lock ends with the process, so a kill leaves nothing to clean.

    Args:
        waiting: Called now and then while another holds it; may raise to stop.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as handle:
        while waiting is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(HEARD_EVERY)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file; see ``digest_of``."""
    return digest_of(path, "sha256")


def digest_of(path: Path, algorithm: str) -> str:
    """Hex digest of a file, in constant memory, remembered while its size and time of change stay."""
    status = path.stat()
    return _digest(str(path), algorithm, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=512)
def _digest(path: str, algorithm: str, _size: int, _changed: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
