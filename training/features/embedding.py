"""Worker-side: each image through each trunk once, ever; features by the image's content.

A training run, a bake-off, an insight and the background all come through ``features_of``. What is in the store is
read; what is not is decoded, embedded by the light runtime in small batches, and put there before the next batch, so
that a kill loses at most one batch of work and memory does not grow with the number of images.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from django.conf import settings
from django.core.files.storage import default_storage

from labeling.files.imaging import pixels
from training.errors import raise_if_store_fails
from training.learning.feature_store import FeatureStore
from training.learning.networks import weights
from training.learning.networks.keys import trunk_key
from training.learning.store_filling import fill_store
from training.zoo import catalogue

if TYPE_CHECKING:
    from training.learning.networks.trunk import Trunk

logger = logging.getLogger(__name__)


class Embedder(Protocol):
    """What pictures go through: ``learning.networks.trunk.Trunk``, on whatever device."""

    key: str
    dim: int
    shape: tuple[int, ...]  # of one image's features, whose product is ``dim``; maps come last
    size: int
    platform: str  # what computes it: openvino, litert or keras

    def embed(self, images: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Picture:
    """An image as embedding needs it: content hash and where its bytes are."""

    sha256: str
    original: str


def trunk_of(backbone_key: str, cut: str | None = None, *, waiting: Callable[[], None] | None = None) -> Trunk:
    """The backbone's trunk, exported first where this machine has not got it yet.

    Args:
        waiting: Called now and then while it is exported; may raise to stop.
    """
    # The light runtime costs half a second and 50 MB: web processes, which only send messages, must not import it.
    from training.learning.networks.trunk import ensure_trunk

    backbone = catalogue.backbone_of(backbone_key)
    found = weights.require(backbone, settings.KERAS_HOME)
    return load_trunk(str(ensure_trunk(backbone, found, trunks_folder(), cut, waiting=waiting)))


@functools.lru_cache(maxsize=4)
def load_trunk(folder: str) -> Trunk:
    from training.learning.networks.trunk import Trunk  # as above

    return Trunk(Path(folder))


def trunks_folder() -> Path:
    return settings.DATA_DIR / "trunks"


def features_folder() -> Path:
    return settings.DATA_DIR / "features"


def trunk_facts(backbone_key: str) -> dict[str, Any] | None:
    """``key``, ``dim`` and ``size`` of the backbone's trunk where this machine has it; loads no network."""
    backbone = catalogue.known(backbone_key)
    if backbone is None:
        return None
    found = weights.locate(backbone, settings.KERAS_HOME)
    # Not by its name alone: an operator may have imported another network, or layer of one, under it before.
    return facts_of(trunk_key(backbone, found.sha256))


def facts_of(trunk_key: str) -> dict[str, Any] | None:
    """The same, of the trunk with this key."""
    path = trunks_folder() / trunk_key / "trunk.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        return {name: facts[name] for name in ("key", "dim", "size")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError):
        tell_once(f"{path} is damaged; the next run makes the trunk again")
        return None


@functools.lru_cache(maxsize=1_000)
def tell_once(told: str) -> None:
    """Warn of what pages and the background come upon every few seconds, and which stays so for a while."""
    logger.warning("%s", told)


def store_of(trunk: Embedder) -> FeatureStore:
    return open_store(trunk.key, trunk.dim)


def open_store(trunk_key: str, dim: int) -> FeatureStore:
    return FeatureStore(features_folder(), trunk_key, dim, max_bytes=settings.FEATURES_GB << 30)


def features_of(
    trunk: Embedder,
    pictures: Sequence[Picture],
    *,
    out: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Features in the order of the pictures.

    Args:
        out: float32 [n, dim], zeros, to write to: a table of many features lies in a file (``rows.blank``).
        progress: Called with (done, total) of the pictures that were not in the store; may raise to stop.

    Returns:
        float32 [n, dim]; bool [n], False where a picture could not be read (its row is zero); how many were embedded.
    """
    store, made = store_of(trunk), 0
    features, found = store.get([picture.sha256 for picture in pictures], out)
    for places, rows in _embedded(trunk, store, pictures, found, progress):
        features[places] = rows
        made += len(places)
    return features, found, made


def fill(
    trunk: Embedder, pictures: Sequence[Picture], *, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Have the features of all pictures in the store without reading those that are there: for large activations.

    Returns:
        bool [n], False where a picture could not be read. Of the others the store may have let the first go again,
        where it has no room for all.
    """
    store = store_of(trunk)
    found = store.has([picture.sha256 for picture in pictures])
    for _places, _rows in _embedded(trunk, store, pictures, found, progress):
        pass  # they are in the store, and may be too large to be held
    return found


def _embedded(
    trunk: Embedder, store: FeatureStore, pictures: Sequence[Picture], found: np.ndarray,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[list[int], np.ndarray]]:  # fmt: skip
    """(places in ``pictures``, their features) of those not ``found``, batch by batch; marks them as found."""
    missing, done = np.flatnonzero(~found), 0

    def read(place: int) -> list[tuple[str, np.ndarray]]:
        image = _pixels(pictures[place], trunk.size)
        return [] if image is None else [(pictures[place].sha256, image)]

    for places, rows in fill_store(store, trunk.embed, missing.tolist(), read):
        yield places, rows
        found[places] = True
        done += len(places)
        if progress is not None:
            progress(done, len(missing))


def pixels_of(pictures: Sequence[Picture], size: int) -> np.ndarray:
    """The readable ones of the pictures as uint8 [n, size, size, 3]."""
    read = [image for image in (_pixels(picture, size) for picture in pictures) if image is not None]
    return np.stack(read) if read else np.empty((0, size, size, 3), np.uint8)


def _pixels(picture: Picture, size: int) -> np.ndarray | None:
    try:
        with default_storage.open(picture.original) as file:
            return pixels(file.read(), size)
    except Exception as error:  # noqa: BLE001 - one unreadable file must not end the run; it is counted and logged
        raise_if_store_fails(error)
        logger.warning("image %s cannot be read: %s", picture.sha256[:12], error)
        return None
