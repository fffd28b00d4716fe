"""Exported networks to begin with: an export takes a process with TensorFlow, which has tests of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from training.learning.files import locked
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.keys import trunk_key
from training.learning.networks.weights import locate
from training.zoo import catalogue


@pytest.fixture(scope="session")
def small_trunk_folder() -> Callable[..., Path]:
    """The folder of the bundled network's trunk, or of that ``up_to`` a cut, which nobody writes to: each export takes
    a process with TensorFlow, so that the workers make it once for all.
    """
    # OpenVINO: imported by a conftest it closes what pytest prints to.
    from training.learning.networks.trunk import ensure_trunk

    small = BACKBONES["crowdtune_small"]
    root = Path(os.environ["CROWDTUNE_TEST_FOLDER"], "trunks")

    def export(up_to: str | None = None) -> Path:
        return ensure_trunk(small, locate(small, settings.KERAS_HOME), root, up_to)

    return export


@pytest.fixture(scope="session")
def small_portable_folder(small_trunk_folder: Callable[..., Path]) -> Path:
    """The same folder again, with the trunk for LiteRT in it: in the place of a damaged one, made once for all."""
    from training.learning.portable import ensure_portable  # as above

    small = BACKBONES["crowdtune_small"]
    root = Path(os.environ["CROWDTUNE_TEST_FOLDER"], "portable")
    folder = root / "trunks" / small_trunk_folder().name
    with locked(root / ".lock"):
        if not folder.exists():
            copy(small_trunk_folder(), root)
            (folder / "litert").mkdir()
            (folder / "litert" / "network.tflite").write_bytes(b"another file")
            (folder / "litert" / "facts.json").write_text('{"sha256": "of the file that was written"}')
        assert ensure_portable(folder, small, locate(small, settings.KERAS_HOME))
    return folder


@pytest.fixture(scope="session")
def trunk_here(small_trunk_folder: Callable[..., Path]) -> None:
    """A first run finds the trunk in this worker's DATA_DIR."""
    copy(small_trunk_folder(), settings.DATA_DIR)


@pytest.fixture(scope="session")
def cut_trunk_here(small_trunk_folder: Callable[..., Path]) -> None:
    """As ``trunk_here``, for a first run that retrains the last block."""
    copy(small_trunk_folder(BACKBONES["crowdtune_small"].cut), settings.DATA_DIR)


def copy(trunk: Path, data: Path) -> None:
    target = data / "trunks" / trunk.name
    if not target.exists():
        shutil.copytree(trunk, target)


def export_here(key: str, up_to: str | None = None) -> None:
    """Put the trunk of any backbone where a run looks for it, exported by this process, which has Keras anyway."""
    from training.learning.networks.trunk import export_trunk, is_whole  # as above

    backbone = catalogue.backbone_of(key)
    weights = locate(backbone, settings.KERAS_HOME)
    folder = settings.DATA_DIR / "trunks" / trunk_key(backbone, weights.sha256, up_to)
    if not is_whole(folder):
        export_trunk(backbone, weights, folder, up_to)
