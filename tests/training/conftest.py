"""Training in the test's own process and transaction, unless a test asks for the trainer process."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from labeling.models import Project
from tests.training.drawing import labeled_project
from tests.training.published import server
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.weights import locate
from training.runs import due

__all__ = ["looks_are_short", "project", "server", "train_here"]


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
        return ensure_trunk(small, locate(small, django_settings.KERAS_HOME), root, up_to)

    return export


@pytest.fixture(scope="session")
def trunk_here(small_trunk_folder: Callable[..., Path]) -> None:
    """A first run finds the trunk in this worker's DATA_DIR."""
    _copy(small_trunk_folder())


@pytest.fixture(scope="session")
def cut_trunk_here(small_trunk_folder: Callable[..., Path]) -> None:
    """As ``trunk_here``, for a first run that retrains the last block."""
    _copy(small_trunk_folder(BACKBONES["crowdtune_small"].cut))


def _copy(trunk: Path) -> None:
    target = django_settings.DATA_DIR / "trunks" / trunk.name
    if not target.exists():
        shutil.copytree(trunk, target)


@pytest.fixture
def run_actors(run_actors: Callable[[], int], trunk_here: None) -> Callable[[], int]:
    return run_actors


@pytest.fixture(autouse=True)
def train_here(settings: Any) -> None:
    settings.TRAINER_PROCESS = False


@pytest.fixture(autouse=True)
def looks_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: after a long look the check rests, and a run that is due starts later."""
    monkeypatch.setattr(due, "LONG_SECONDS", 1_000_000)


@pytest.fixture
def project(db: None) -> Project:
    """60 drawn circles and squares, labeled by three each."""
    return labeled_project()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 4 kB, which the system says like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
