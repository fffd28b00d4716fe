"""Features kept once, ever: a content-addressed store on disk, one folder per trunk, shared by all processes.

Log-structured merge (O'Neil et al. 1996, "The Log-Structured Merge-Tree"): each ``put`` writes one immutable segment
(temporary name, then rename), sorted by the pictures' SHA-256; small segments are merged into larger ones under a
lock. Readers map segments into memory and search by bisection, so an index of a million pictures costs no memory of
its own. Two writers add two segments; the same picture twice is the same value twice.

Segment file: 64 bytes of header (magic, rows, dim), then four arrays: prefixes uint64 ``[rows]`` (the first 8 bytes of
each key), keys uint8 ``[rows, 32]`` in ascending order, checks uint64 ``[rows]``, features float32 ``[rows, dim]``.
Each row carries its own checksum over key and values: a damaged row, or one with a value that is no number, counts as
not found and is made again; a file of the wrong length, or out of order, is deleted.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeling.text.words import gettext as _
from training.learning.errors import LearningError, not_written
from training.learning.files import locked

MAGIC = b"crowdtune-feat-1"
HEADER = 64
TIER = 16  # this many segments of one size class become one of the next
# In bytes, since a row may be one of features or, a thousand times as large, of activations.
LARGEST = 256 << 20  # a segment of so much is not merged any further
CHUNK = 16 << 20  # copied at a time
READ = 1 << 20  # read and checked at a time: what a check needs of it stays in a core's cache


@dataclass(frozen=True)
class Segment:
    """One immutable file, mapped into memory."""

    path: Path
    prefixes: np.ndarray  # uint64 [rows], the first 8 bytes of each key, ascending
    keys: np.ndarray  # uint8 [rows, 32]
    checks: np.ndarray  # uint64 [rows]
    features: np.ndarray  # float32 [rows, dim]

    def __len__(self) -> int:
        return len(self.keys)


class FeatureStore:
    """Features of one trunk by the SHA-256 of the picture.

    Args:
        root: Folder of all stores; this one lives in ``root/<trunk_key>``.
        trunk_key: From ``networks.keys.trunk_key``: what the features depend on.
        dim: Length of one row.
        max_bytes: Bound on disk of all stores under ``root`` together; beyond it the oldest segments go, whosever they
            are (they can be made again).
    """

    def __init__(self, root: Path, trunk_key: str, dim: int, *, max_bytes: int = 64 << 30) -> None:
        self.root, self.folder = root, root / trunk_key
        self.dim = dim
        self.max_bytes = max_bytes
        self._open: dict[str, Segment] = {}
        self._guard = threading.Lock()
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, shas: Sequence[str], out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Look up pictures.

        Args:
            shas: Hex SHA-256, n of them.
            out: float32 ``[n, dim]`` to write to (see ``rows.blank``) instead of a new array; rows of missing pictures
                stay as they are.

        Returns:
            float32 ``[n, dim]`` (zeros where missing) and bool ``[n]``: found.
        """
        keys = as_keys(shas)
        features = np.zeros((len(keys), self.dim), np.float32) if out is None else out
        found = np.zeros(len(keys), bool)
        for segment in self._segments():
            missing = np.flatnonzero(~found)
            if not len(missing):
                break
            hit, rows = _search(segment, keys[missing])
            for part in self._parts(len(rows), READ):
                wanted, at = missing[hit[part]], rows[part]
                values = segment.features[at]
                whole = (checksums(segment.keys[at], values) == segment.checks[at]) & np.isfinite(values).all(axis=1)
                features[wanted[whole]] = values[whole]
                found[wanted[whole]] = True
        return features, found

    def has(self, shas: Sequence[str]) -> np.ndarray:
        """bool ``[n]``: found by key; rows are not read, so a damaged one still counts here."""
        keys = as_keys(shas)
        found = np.zeros(len(keys), bool)
        for segment in self._segments():
            missing = np.flatnonzero(~found)
            hit, _ = _search(segment, keys[missing])
            found[missing[hit]] = True
        return found

    def batches(self, shas: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """``get`` in slices: a million pictures pass by in constant memory."""
        for part in self._parts(len(shas), CHUNK):
            yield self.get(shas[part])

    def put(self, shas: Sequence[str], features: np.ndarray) -> None:
        """Add features; whole or not at all. A picture that is there already stays as it is.

        Raises:
            LearningError: wrong shape, a value that is no number, or a full disk (the store stays usable).
        """
        features = np.ascontiguousarray(features, np.float32)
        if features.shape != (len(shas), self.dim):
            raise LearningError(
                f"Expected features [{len(shas)}, {self.dim}]; got {list(features.shape)}.", "bad_features"
            )
        if not np.isfinite(features).all():
            raise LearningError(_("Some features are no numbers: the trunk or its weights are broken."), "bad_features")
        if not len(shas):
            return
        keys = as_keys(shas)
        order = np.unique(keys.view("V32").ravel(), return_index=True)[1]
        slices = [order[part] for part in self._parts(len(order), CHUNK)]
        checks = np.concatenate([checksums(keys[at], features[at]) for at in slices])
        self._write(keys[order], checks, (features[at] for at in slices))
        self._tidy()

    def count(self) -> int:
        """Rows on disk (a picture written by two writers at once counts twice until the next merge)."""
        return sum(len(segment) for segment in self._segments())

    def size(self) -> int:
        """Bytes on disk, of all stores under the root."""
        return sum(size for _age, size in self._sizes().values())

    # ------------------------------------------------------------------------------------------------ inside

    def _parts(self, rows: int, size: int) -> list[slice]:
        """So many rows in parts of about so many bytes."""
        step = max(1, size // (4 * self.dim))
        return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]

    def _segments(self) -> list[Segment]:
        """Open what is in the folder now, newest first; drop what another process merged away."""
        for _turn in range(3):
            names = sorted(_names(self.folder), reverse=True)
            with self._guard:
                for gone in set(self._open) - set(names):
                    del self._open[gone]
                for name in names:
                    if name not in self._open and (segment := _open(self.folder / name, self.dim)):
                        self._open[name] = segment
                opened = [self._open[name] for name in names if name in self._open]
            if len(opened) == len(names):
                break  # else a merge came between listing and opening: look again
        return opened

    def _write(self, keys: np.ndarray, checks: np.ndarray, chunks: Iterable[np.ndarray]) -> None:
        """One segment: keys uint8 ``[n, 32]`` in ascending order, their checks ``[n]``, their features in slices."""
        temporary = self.folder / f".{uuid.uuid4().hex}.tmp"
        stamp = f"{_next_stamp(self.folder):012d}-{len(keys):08d}-{uuid.uuid4().hex[:8]}"
        prefixes = np.ascontiguousarray(keys[:, :8]).view(">u8").ravel().astype("<u8")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)  # whoever needed the room may have deleted it
            with open(temporary, "wb") as out:
                out.write(MAGIC + struct.pack("<QQ", len(keys), self.dim) + bytes(HEADER - len(MAGIC) - 16))
                for array in (prefixes, np.ascontiguousarray(keys), checks.astype("<u8")):
                    out.write(array.data)
                for chunk in chunks:
                    out.write(np.ascontiguousarray(chunk, "<f4").data)
            temporary.replace(self.folder / f"{stamp}.seg")
        except OSError as error:
            told = _("Features could not be kept in %(folder)s: %(error)s. %(advice)s")
            raise not_written(told, error, folder=self.folder) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Merge where a size class is full; forget the oldest where the bound is passed."""
        tiers: dict[int, list[Segment]] = {}
        for segment in self._segments():
            if segment.features.nbytes < LARGEST:
                tiers.setdefault(_tier(len(segment)), []).append(segment)
        if not any(len(group) >= TIER for group in tiers.values()) and self.size() <= self.max_bytes:
            return
        with locked(self.folder / ".merge.lock"):
            for group in tiers.values():
                there = [segment for segment in group if segment.path.exists()]
                if len(there) >= TIER:
                    self._merge(there)
            self._evict()

    def _merge(self, segments: list[Segment]) -> None:
        """Many segments -> one, without damaged rows and doubles; features pass by in slices."""
        keys = np.concatenate([segment.keys for segment in segments])
        checks = np.concatenate([segment.checks for segment in segments])
        source = np.concatenate([np.full(len(segment), index) for index, segment in enumerate(segments)])
        row = np.concatenate([np.arange(len(segment)) for segment in segments])

        def gather(at: np.ndarray) -> np.ndarray:
            values = np.empty((len(at), self.dim), np.float32)
            for index in np.unique(source[at]):
                mine = source[at] == index
                values[mine] = segments[index].features[row[at][mine]]
            return values

        slices = [np.arange(part.start, part.stop) for part in self._parts(len(keys), CHUNK)]
        whole = np.concatenate([at[checksums(keys[at], gather(at)) == checks[at]] for at in slices])
        rows = whole[np.unique(keys[whole].view("V32").ravel(), return_index=True)[1]]
        if len(rows):
            chunks = (gather(rows[part]) for part in self._parts(len(rows), CHUNK))
            self._write(keys[rows], checks[rows], chunks)
        for segment in segments:
            segment.path.unlink(missing_ok=True)

    def _evict(self) -> None:
        sizes = self._sizes()
        total = sum(size for _age, size in sizes.values())
        for path in sorted(sizes, key=lambda path: (sizes[path][0], path))[:-1]:  # the newest stays
            if total <= self.max_bytes:
                break
            total -= sizes[path][1]
            path.unlink(missing_ok=True)

    def _sizes(self) -> dict[Path, tuple[int, int]]:
        """Segment -> (when it was written, bytes)."""
        sizes = {}
        for path in self.root.glob("*/*.seg"):
            with contextlib.suppress(FileNotFoundError):  # another process merged it away meanwhile
                status = path.stat()
                sizes[path] = status.st_mtime_ns, status.st_size
        return sizes


def as_keys(shas: Sequence[str]) -> np.ndarray:
    """Hex SHA-256 strings -> uint8 ``[n, 32]``.

    Raises:
        LearningError: One is no SHA-256.
    """
    try:
        return np.frombuffer(bytes.fromhex("".join(shas)), np.uint8).reshape(len(shas), 32)
    except ValueError as error:
        raise LearningError("Expected SHA-256 hashes of 64 hexadecimal digits.", "bad_hash") from error


def checksums(keys: np.ndarray, features: np.ndarray) -> np.ndarray:
    """uint64 ``[n]``: per row a sum of its 64-bit words (key and values), each times an odd number, modulo 2**64.

    An odd factor is invertible, so any single damaged word changes the sum.
    """
    rows = len(keys)
    words = np.concatenate(
        [np.ascontiguousarray(keys).view("<u4"), np.ascontiguousarray(features, "<f4").view("<u4")], axis=1
    ).reshape(rows, -1)
    factors = (np.arange(1, words.shape[1] + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
    with np.errstate(over="ignore"):
        return (words * factors).sum(axis=1, dtype=np.uint64) + np.uint64(rows > 0)


def _search(segment: Segment, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which of ``keys`` [m, 32] are in the segment, their rows): bisection on the first 8 bytes, then all 32."""
    wanted = np.ascontiguousarray(keys[:, :8]).view(">u8").ravel().astype(np.uint64)
    rows = np.minimum(np.searchsorted(segment.prefixes, wanted), len(segment) - 1)
    hit = np.flatnonzero((segment.keys[rows] == keys).all(axis=1))
    return hit, rows[hit]


def _open(path: Path, dim: int) -> Segment | None:
    """Map a segment; None where it vanished or is not whole (then it is deleted: its rows are made again)."""
    try:
        with open(path, "rb") as stream:
            header = stream.read(HEADER)
            length = os.fstat(stream.fileno()).st_size
        if len(header) == HEADER and header.startswith(MAGIC):
            rows, width = struct.unpack_from("<QQ", header, len(MAGIC))
            if width == dim and rows and length == HEADER + rows * (8 + 32 + 8 + 4 * dim):
                at = np.cumsum([HEADER, 8 * rows, 32 * rows, 8 * rows])
                prefixes = np.memmap(path, "<u8", "r", int(at[0]), (rows,))
                if (prefixes[:-1] <= prefixes[1:]).all():  # else one damaged prefix would hide other rows from _search
                    return Segment(
                        path,
                        prefixes,
                        np.memmap(path, np.uint8, "r", int(at[1]), (rows, 32)),
                        np.memmap(path, "<u8", "r", int(at[2]), (rows,)),
                        np.memmap(path, "<f4", "r", int(at[3]), (rows, dim)),
                    )
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):
        path.unlink()
    return None


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if entry.name.endswith(".seg")]
    except FileNotFoundError:
        return []


def _tier(rows: int) -> int:
    return (max(rows, 1) - 1).bit_length() // 4


def _next_stamp(folder: Path) -> int:
    """One more than the newest segment's number: names sort by age."""
    newest = max(_names(folder), default="0-")
    return int(newest.split("-")[0]) + 1
