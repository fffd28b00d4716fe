"""A zip of any number of files in constant memory: what its directory will say of each waits on disk for the end.

By itself ``zipfile`` keeps an object for each file, which are some 100 MB for 200,000 of them.
"""

from __future__ import annotations

import contextlib
import pickle
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO, Any


class _Waiting:
    """The entries so far, as the list that ZipFile appends to, and reads when it is closed.

    Pickled, into a file without a name that this process alone has open: nobody else can write what is loaded.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._count = 0

    def append(self, entry: zipfile.ZipInfo) -> None:
        pickle.dump(entry, self._file)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        self._file.seek(0)
        for _entry in range(self._count):
            yield pickle.load(self._file)


class _Unnamed(dict[str, Any]):
    """In place of the entries by name: a row's name is unlike that of any other."""

    def __setitem__(self, name: str, entry: Any) -> None:
        return


@contextlib.contextmanager
def writing(out: IO[bytes], compression: int) -> Iterator[zipfile.ZipFile]:
    """A ZipFile to write into."""
    with tempfile.TemporaryFile() as file, zipfile.ZipFile(out, "w", compression) as archive:
        archive.filelist = _Waiting(file)  # type: ignore[assignment]
        archive.NameToInfo = _Unnamed()
        yield archive
