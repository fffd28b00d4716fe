"""Small things to learn from: separable features, drawn pictures, the exported trunk of the bundled backbone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from training.learning.networks.backbones import BACKBONES
from training.learning.networks.weights import Weights, locate

if TYPE_CHECKING:  # OpenVINO, imported by a conftest, closes the files that pytest captures into
    from training.learning.networks.trunk import Trunk

SMALL = BACKBONES["crowdtune_small"]
# For JAX on a processor: what it compiles runs for an instant here, and to compile it well would take much longer.
QUICK_XLA = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def sha(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()


def blobs(n: int, dim: int, classes: int, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes: features ``[n, dim]`` with unequal scales and an offset, int labels ``[n]``."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(0, 1, (classes, dim))
    labels = rng.integers(0, classes, n)
    x = centres[labels] + rng.normal(0, spread, (n, dim))
    return (x * np.geomspace(0.1, 10, dim) + 3).astype(np.float32), labels


@pytest.fixture
def without_values() -> Iterator[Any]:
    """A scope of Keras in which networks are built whose weights have shapes and never values."""
    import keras

    yield keras.StatelessScope(initialize_variables=False)
    keras.utils.clear_session(free_memory=False)  # or the next scope that ends would make up the values after all


@pytest.fixture(scope="session")
def small_weights() -> Weights:
    return locate(SMALL, Path("/nonexistent"))


@pytest.fixture(scope="session")
def small_folder(small_trunk_folder: Callable[..., Path]) -> Path:
    """Where the exported trunk lies."""
    return small_trunk_folder()


@pytest.fixture(scope="session")
def small_trunk(small_folder: Path) -> Trunk:
    from training.learning.networks.trunk import Trunk

    return Trunk(small_folder, threads=2)


@pytest.fixture(scope="session")
def cut_trunk(small_trunk_folder: Callable[..., Path]) -> Trunk:
    from training.learning.networks.trunk import Trunk

    return Trunk(small_trunk_folder(SMALL.cut), threads=2)


@pytest.fixture(scope="session")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """60 pictures uint8 ``[60, 128, 128, 3]``: stripes one way or the other, in any colour; labels 0 and 1."""
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 2
    pictures = []
    for label in labels:
        wave = np.sin(np.arange(128) / rng.uniform(2, 5) + rng.uniform(0, 6)) > 0
        stripes = np.broadcast_to(wave[:, None] if label else wave[None, :], (128, 128))
        colours = rng.uniform(0, 255, (2, 3))
        noise = rng.normal(0, 20, (128, 128, 3))
        pictures.append(np.where(stripes[..., None], colours[0], colours[1]) + noise)
    return np.clip(np.stack(pictures), 0, 255).astype(np.uint8), labels
