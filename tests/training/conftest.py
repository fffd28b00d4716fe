"""Training in the test's own process and transaction, unless a test asks for the trainer process."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labeling.models import Project
from tests.training.drawing import labeled_project
from tests.training.published import server
from tests.training.trunks import cut_trunk_here, small_portable_folder, small_trunk_folder, trunk_here
from training.runs import due

__all__ = [
    "cut_trunk_here", "looks_are_short", "project", "server", "small_portable_folder", "small_trunk_folder",
    "train_here", "trunk_here",
]  # fmt: skip


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
