"""Photographs for the learning benches: files of ../shared/data/images with their classes, and their features."""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeling.files.imaging import pixels
from training.learning.augment import Augmentation, view, view_key
from training.learning.feature_store import FeatureStore
from training.learning.networks.backbones import BACKBONES, Backbone
from training.learning.networks.trunk import Trunk, ensure_trunk
from training.learning.networks.weights import Weights, require
from training.learning.store_filling import fill_store

SHARED = Path("../shared/data")
SCRATCH = Path(tempfile.gettempdir()) / "crowdtune-bench"


@dataclass(frozen=True)
class Photos:
    """Files, their hashes, labels int [n] and class names."""

    files: list[Path]
    shas: list[str]
    labels: np.ndarray
    names: list[str]

    def take(self, at: np.ndarray) -> Photos:
        return Photos([self.files[i] for i in at], [self.shas[i] for i in at], self.labels[at], self.names)

    @property
    def one_hot(self) -> np.ndarray:
        return np.eye(len(self.names), dtype=np.float32)[self.labels]


def photos(*folders: Path, most: int | None = None, seed: int = 0) -> Photos:
    """The pictures under the folders, each class a folder; at most ``most``, drawn at random."""
    files = [(path, folder.name) for root in folders for folder in sorted(root.iterdir()) if folder.is_dir()
             for path in sorted(folder.glob("*.jpg"))]  # fmt: skip
    names = sorted({name for _, name in files})
    order = np.random.default_rng(seed).permutation(len(files))[: most or len(files)]
    shas = [hashlib.sha256(files[i][0].read_bytes()).hexdigest() for i in order]
    return Photos([files[i][0] for i in order], shas, np.array([names.index(files[i][1]) for i in order]), names)


def opened(key: str, cut: str | None = None) -> tuple[Backbone, Weights, Trunk]:
    """The backbone, its weights, and its trunk up to the pooled features or to the cut."""
    backbone = BACKBONES[key]
    weights = require(backbone, SHARED / "weights")
    folder = ensure_trunk(backbone, weights, SCRATCH / "trunks", cut)
    return backbone, weights, Trunk(folder)


def features(
    trunk: Trunk, data: Photos, store: FeatureStore | None = None, views: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features of the photos, then of their views, and whose they are; kept under SCRATCH between benches."""
    store, rule = store or FeatureStore(SCRATCH / "features", trunk.key, trunk.dim), Augmentation()
    keys = [data.shas, *([view_key(sha, index, rule) for sha in data.shas] for index in range(views))]

    def read(place: int) -> list[tuple[str, np.ndarray]]:
        picture = pixels(data.files[place].read_bytes(), trunk.size)
        seen = [picture, *(view(picture, data.shas[place], index, rule) for index in range(views))]
        return [(column[place], one) for column, one in zip(keys, seen, strict=True)]

    missing = np.flatnonzero(~np.all([store.has(column) for column in keys], axis=0)).tolist()
    for _places, _rows in fill_store(store, trunk.embed, missing, read, each=len(keys)):
        pass  # read below, in their order
    return np.concatenate([store.get(column)[0] for column in keys]), np.tile(np.arange(len(data.shas)), len(keys))


class Clock:
    """CPU seconds of this process and all its threads."""

    def __enter__(self) -> Clock:
        self.started, self.began = time.process_time(), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = time.process_time() - self.started, time.monotonic() - self.began
