"""Who looks at the pages, and a version to see there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from labeling.models import Project
from training import services
from training.models import ModelVersion


@pytest.fixture
def owner(project: Project, client: Client) -> Client:
    client.force_login(project.owner)
    return client


@pytest.fixture
def version(project: Project, run_actors: Callable[[], int]) -> ModelVersion:
    services.request_run(project=project, cause="person", requested_by=project.owner)
    run_actors()
    return ModelVersion.objects.get()
