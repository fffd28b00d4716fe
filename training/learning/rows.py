"""Features as rows of a table that need not fit into memory: large ones lie in a file, and all are read by blocks.

A fit goes over its rows some hundred times. Block by block (small enough for a core's own cache, forward and backward
while it is there) a pass over a mapped file costs as much CPU as one over memory, and standardising each block anew a
sixth more: so nothing of the size of the table is ever held, and its pages belong to the system, which takes them back
when it needs them.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from labeling.text.words import gettext as _
from training.learning.errors import LearningError

BLOCK = 512  # rows
HELD = 32 << 20  # bytes of features that are simply held in memory


def blank(
    rows: int, dim: int, folder: Path | None = None, *, dtype: type[np.generic] = np.float32, held: int = HELD
) -> np.ndarray:
    """A table to be filled: ``[rows, dim]``, zeros.

    Args:
        folder: Where a large table gets its file. The file has no name any more when this returns: it is gone with its
            last user, also after a kill. None = the system's folder for temporary files.
        held: Up to so many bytes it lies in memory.

    Raises:
        LearningError: The disk is full. It is asked for all of the file now: a mapped page that finds no room later
            would end the process.
    """
    size = np.dtype(dtype).itemsize * rows * dim
    if size <= held:
        return np.zeros((rows, dim), dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            _reserve(file, size)
        except OSError as error:
            raise LearningError(
                _("%(size)s GB for features could not be had in %(folder)s: %(error)s. Free some disk.")
                % {"size": f"{size / 1e9:.1f}", "folder": folder, "error": error.strerror},
                "disk_full",
            ) from error
        return np.memmap(file, dtype, "r+", 0, (rows, dim))


def _reserve(file: IO[bytes], size: int) -> None:
    """Take so many bytes of the disk for the file, or raise OSError."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:
        # Some file systems and C libraries cannot, and macOS has no such call: zeros that are written take their room.
        if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        zeros = bytes(1 << 20)
        for start in range(0, size, len(zeros)):
            file.write(zeros[: size - start])
        file.flush()


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, in some order; nothing is read before it is asked for.

    Attributes:
        table: ``[m, dim]``, in memory or mapped.
        places: int ``[n]``: which of its rows.
    """

    table: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray | Rows) -> Rows:
        """All rows of an array, or the rows that they are."""
        if isinstance(x, Rows):
            return x
        x = np.asanyarray(x)
        return cls(x, np.arange(len(x)))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, dim)``."""
        return (len(self.places), *self.table.shape[1:])

    def __getitem__(self, at: np.ndarray) -> Rows:
        """Some of these rows, by a mask or by places among them."""
        return Rows(self.table, self.places[at])

    def __add__(self, other: Rows) -> Rows:
        """These rows, then others of the same table."""
        assert self.table is other.table
        return Rows(self.table, np.concatenate([self.places, other.places]))

    def read(self, at: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Rows at these places among them, as a new float32 array ``[k, dim]``."""
        return np.take(self.table, self.places[at], axis=0).astype(np.float32, copy=False)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """(which of these rows, a copy of them float32 ``[at most BLOCK, dim]``), from first to last."""
        for start in range(0, len(self), BLOCK):
            at = slice(start, min(start + BLOCK, len(self)))
            yield at, self.read(at)


class Standardised:
    """Rows as a fit sees them: (row - mean) / scale. Few are held so, many are standardised whenever they are read.

    Either way their values and their blocks are the same, and so is what is fitted to them.

    Args:
        rows: The rows as they are.
        mean, scale: float32 ``[dim]``.
        held: Up to so many bytes they are held.
    """

    def __init__(self, rows: Rows, mean: np.ndarray, scale: np.ndarray, *, held: int = HELD) -> None:
        self.rows, self.mean, self.scale = rows, mean, scale
        self._held = self.read(slice(None)) if 4 * len(rows) * len(mean) <= held else None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: np.ndarray) -> Standardised:
        """Some of these rows."""
        return Standardised(self.rows[at], self.mean, self.scale)

    @property
    def dim(self) -> int:
        return len(self.mean)

    @property
    def size(self) -> int:
        """Numbers in all rows."""
        return len(self) * self.dim

    def read(self, at: np.ndarray | slice) -> np.ndarray:
        """Standardised rows at these places, as a new float32 array ``[k, dim]``."""
        x = self.rows.read(at)
        x -= self.mean
        x /= self.scale
        return x

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """(which rows, their standardised values ``[at most BLOCK, dim]``, not to be changed), from first to last."""
        for start in range(0, len(self), BLOCK):
            at = slice(start, min(start + BLOCK, len(self)))
            yield at, self.read(at) if self._held is None else self._held[at]
