"""Training in the test's own process and transaction, unless a test asks for the trainer process."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.models import Project
from tests.training.drawing import labeled_project
from tests.training.published import server

__all__ = ["project", "server", "train_here"]


@pytest.fixture(autouse=True)
def train_here(settings: Any) -> None:
    settings.TRAINER_PROCESS = False


@pytest.fixture
def project(db: None) -> Project:
    """60 drawn circles and squares, labeled by three each."""
    return labeled_project()
