"""Photographs for the learning benches: files of ../shared/data/images with their classes, and their features."""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeling.files.imaging import pixels
from training.learning.feature_store import FeatureStore
from training.learning.networks.backbones import BACKBONES, Backbone
from training.learning.networks.trunk import Trunk, ensure_trunk
from training.learning.networks.weights import Weights, require
from training.learning.store_filling import embed_missing, gather

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
    """Features of the photos (and views) and whose they are, kept under SCRATCH between benches."""
    store = store or FeatureStore(SCRATCH / "features", trunk.key, trunk.dim)
    embed_missing(store, trunk, data.shas, lambda i: pixels(data.files[i].read_bytes(), trunk.size), views=views)
    return gather(store, data.shas, views=views)


class Clock:
    """CPU seconds of this process and all its threads."""

    def __enter__(self) -> Clock:
        self.started, self.began = time.process_time(), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = time.process_time() - self.started, time.monotonic() - self.began
