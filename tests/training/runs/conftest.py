"""A run, and the trainer process that does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from tests.training.drawing import labeled_project
from training import services
from training.models import TrainingRun
from training.runs.trainer import TRAINER


@pytest.fixture
def own_process(settings: Any, transactional_db: None) -> Iterator[None]:
    settings.TRAINER_PROCESS = True
    settings.MEDIA_ROOT = str(settings.DATA_DIR / "media")  # where a process that reads the environment looks
    plain, before = TRAINER.command, sessions()
    yield
    TRAINER.command = plain
    TRAINER.close()
    wait_for_its_sessions(before)


def sessions() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {pid for (pid,) in cursor.fetchall()}


def wait_for_its_sessions(before: set[int]) -> None:
    """The server takes a moment to see that a killed client is gone; until then its database cannot be dropped."""
    for _look in range(100):
        if sessions() <= before | {connection.connection.info.backend_pid}:
            return
        time.sleep(0.1)


@pytest.fixture
def run(run_actors: Callable[[], int]) -> TrainingRun:
    return services.request_run(project=labeled_project("shapes", count=40), cause="person")
