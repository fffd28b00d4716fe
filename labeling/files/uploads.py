"""Uploads go to disk as they come in, however small, and hold neither memory nor an open file while they wait.

They lie on the disk where they will stay, which is as large as the operator made it (/tmp may be a part of the memory),
and among what is tidied up if a kill leaves it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from labeling.files import storage


class DiskFile(UploadedFile):
    """A received file: opened when it is read, moved (not copied) into a storage on the same disk. ``folders`` are
    those that it lay in, where the page has told.
    """

    folders: Sequence[str] = ()

    def __init__(self, path: str, name: str | None, content_type: str | None, size: int) -> None:
        super().__init__(None, name, content_type, size)
        self.path = path

    def temporary_file_path(self) -> str:
        """Django's file storage moves what has this method."""
        return self.path

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> DiskFile:
        if self.file is None or self.file.closed:
            self.file = open(self.path, mode or "rb")  # noqa: SIM115 - closed by close()
        else:
            self.file.seek(0)
        return self

    def read(self, size: int = -1) -> Any:
        file: Any = self.file or self.open().file
        return file.read(size)

    def chunks(self, chunk_size: int | None = None) -> Any:
        self.open()
        return super().chunks(chunk_size)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
        Path(self.path).unlink(missing_ok=True)


class OnDisk(FileUploadHandler):
    """Receives each file of a request into a temporary file."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self.received: list[DiskFile] = []
        self._writing: Any = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        descriptor, self._path = tempfile.mkstemp(prefix="upload-", dir=storage.parts_folder())
        self._writing = os.fdopen(descriptor, "wb")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        with self._whole():
            self._writing.write(raw_data)
        return None

    def file_complete(self, file_size: int) -> DiskFile:
        with self._whole():
            self._writing.close()
        self._writing = None
        file = DiskFile(self._path, self.file_name, self.content_type, file_size)
        self.received.append(file)
        return file

    def upload_interrupted(self) -> None:
        """The sender went away: leave nothing behind."""
        self._drop()
        for file in self.received:
            file.close()

    def __del__(self) -> None:
        """Of a body that is no form after all no handler is told."""
        self._drop()

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """What has no room gives back what it took at once: the error holds us, until Python looks for such rings."""
        try:
            yield
        except OSError:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._writing is not None:
            Path(self._path).unlink(missing_ok=True)  # first: on a full disk closing fails, and it may be what fills it
            with contextlib.suppress(OSError):
                self._writing.close()
            self._writing = None
