"""The process's engine: one trunk, many heads, in bounded memory, over the cores of the machine.

A version from feature extraction is a few matrices on a trunk that other versions and other projects use too, so it
loads in a millisecond and costs kilobytes. Versions are never changed in place: a promotion makes the next request ask
for another key of the cache, the new version is loaded beside the old one, and requests under way end with what they
began with.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.engine import metrics
from inference.engine.admission import Admission
from inference.engine.cache import Cache
from inference.engine.routing import VersionRef
from inference.errors import BadPicture, BrokenVersion
from labeling.errors import CrowdtuneError
from labeling.files.imaging import ImageRefused, pixels
from labeling.text.words import gettext as _
from training.features.embedding import Embedder

if TYPE_CHECKING:
    from training.learning.artifact import Classifier

logger = logging.getLogger(__name__)
CHUNK = 8  # images that one lane embeds before it lets others in
AGAIN = 30.0  # seconds until files that could not be loaded are tried though nobody has changed them
Picture = bytes | NDArray[np.uint8]
Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Answer:
    """What one version says of the pictures of one request."""

    version: VersionRef
    categories: tuple[str, ...]
    probabilities: NDArray[np.float64]  # [n, k]
    features: NDArray[np.float32]  # [n, dim]
    seconds: float


class Engine:
    """Thread-safe; one a process."""

    def __init__(
        self,
        *,
        data_dir: Path,
        memory: int,
        admission: Admission,
        open_trunk: Callable[[Path, str], Embedder],
        open_version: Callable[[Path], Classifier],
        precision_of: Callable[[Classifier], str] = lambda _classifier: "f32",
        is_portable: Callable[[Path], bool] = lambda _folder: False,
    ) -> None:
        """``memory`` bounds what the cache holds of trunks and versions together, in bytes of their files.

        ``precision_of`` says in what a version's new pictures are computed; stored features are f32 always.
        ``is_portable`` says whether a folder is opened on another runtime than it was before.
        """
        self.data_dir = data_dir
        self.admission = admission
        self.cache = Cache(memory, sized=metrics.MEMORY.set)
        self._open_trunk = open_trunk
        self._open_version = open_version
        self._precision_of = precision_of
        self._is_portable = is_portable
        self._broken: dict[Hashable, tuple[float, Stamp]] = {}  # until when, and the files as they were

    def classifier(self, version: VersionRef) -> Classifier:
        """The version's head, loaded when it is not in memory.

        Raises:
            BrokenVersion: Its files are missing or changed since it was verified.
        """

        def load() -> tuple[Any, int]:
            told = _("Version %(name)s cannot be loaded: its files are missing or damaged. Train again or roll back.")
            return self._opened(key, self._open_version, folder, told)

        folder = self.data_dir / version.folder
        key = ("version", version.id, self._is_portable(folder))
        return self.cache.get(key, load)

    def trunk(self, name: str, precision: str = "f32") -> Embedder:
        """The shared trunk, loaded when it is not in memory."""
        folder, key = self._place(name, precision)

        def load() -> tuple[Any, int]:
            told = _(
                "The network %(name)s cannot be loaded: its files are missing or damaged. The next run makes it again."
            )
            opened, size = self._opened(key, lambda folder: self._open_trunk(folder, precision), folder, told)
            metrics.LOADED.labels(opened.platform).inc()
            return opened, size

        return self.cache.get(key, load)

    def _place(self, name: str, precision: str) -> tuple[Path, Hashable]:
        """The trunk's folder, and its key in the cache."""
        folder = self.data_dir / "trunks" / name
        return folder, ("trunk", name, precision, self._is_portable(folder))

    def platform_of(self, trunk: str) -> str | None:
        """What computes the trunk where it is in memory; nothing is loaded to tell it."""
        loaded = (self.cache.peek(self._place(trunk, precision)[1]) for precision in ("f32", "bf16"))
        return next((one.platform for one in loaded if one is not None), None)

    def _opened(self, key: Hashable, open_: Callable[[Path], Any], folder: Path, told: str) -> tuple[Any, int]:
        """What lies in the folder. Which file of which disk is at fault goes to the log, ``told`` to whoever asked.

        What could not be loaded is remembered: to read and hash it anew for each request would cost more than answers.
        """
        stamp = _stamp(folder)
        until, before = self._broken.get(key, (0.0, None))
        if stamp == before and time.monotonic() < until:
            raise BrokenVersion(told % {"name": folder.name})
        try:
            return open_(folder), _bytes(folder)
        except (OSError, ValueError, KeyError, RuntimeError, CrowdtuneError) as error:
            logger.warning("%s", error)
            # Not for long: it may have been the machine that lacked memory, or descriptors.
            self._broken[key] = time.monotonic() + AGAIN, stamp
            raise BrokenVersion(told % {"name": folder.name}) from error

    def trunk_of(self, classifier: Classifier) -> Embedder:
        """The trunk that new pictures for this version go through, in the precision that it may be served in."""
        return self.trunk(classifier.trunk_key, self._precision_of(classifier))

    def embed(
        self, trunk: Embedder, pictures: Sequence[Picture], positions: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        """Features ``[n, dim]`` of encoded images or of uint8 arrays ``[size, size, 3]``, in the order given.

        Args:
            trunk: From ``trunk``.
            pictures: At least one.
            positions: Where each stands in the request, for the message when one is bad; 0, 1, … where None.

        Raises:
            BadPicture: One of them cannot be decoded; names which.
            Busy: The queue is full.
        """
        places = range(len(pictures)) if positions is None else positions
        parts = []
        with self.admission.admit(len(pictures)):
            for chunk in _chunks(len(pictures)):
                with self.admission.lane():
                    batch = np.stack([_input(pictures[index], trunk.size, places[index]) for index in chunk])
                    parts.append(trunk.embed(batch))
                metrics.EMBEDDED.inc(len(batch))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def classify(self, version: VersionRef, pictures: Sequence[Picture]) -> Answer:
        """Decode, embed and answer; all pictures by the one version."""
        started = time.perf_counter()
        classifier = self.classifier(version)
        features = self.embed(self.trunk_of(classifier), pictures)
        return self.answer(version, features, started)

    def answer(self, version: VersionRef, features: NDArray[np.float32], started: float | None = None) -> Answer:
        """From features that exist already, no trunk is run."""
        started = time.perf_counter() if started is None else started
        classifier = self.classifier(version)
        probabilities = np.asarray(classifier.probabilities_from_features(features), np.float64)
        return Answer(version, tuple(classifier.categories), probabilities, features, time.perf_counter() - started)


def _chunks(count: int) -> Iterator[range]:
    return (range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def _input(picture: Picture, size: int, index: int) -> NDArray[np.uint8]:
    if not isinstance(picture, bytes):
        return picture
    try:
        return pixels(picture, size)
    except ImageRefused as error:
        raise BadPicture(
            error.code, _("Image %(index)s: %(message)s") % {"index": index + 1, "message": error.message}, index
        ) from error


def _stamp(folder: Path) -> Stamp:
    """What changes when a file of the folder does; nothing where there is no folder."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = [(file.name, file.stat()) for file in os.scandir(folder)]
        return tuple(sorted((name, facts.st_ino, facts.st_size, facts.st_mtime_ns) for name, facts in found))
    return ()


def _bytes(folder: Path) -> int:
    """The folder's weights as they lie on disk; at work OpenVINO takes about four times as much (.env.example)."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix in {".bin", ".npz"})
