"""Labeled projects and trained versions for browser tests: drawn shapes on the small backbone that is shipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling.models import Project
from tests.training.drawing import labeled_project
from training import services
from training.models import ModelVersion

SMALL = {"backbone": "crowdtune_small", "recipe": "feature_extraction", "augmentation": False}


@pytest.fixture
def labeled(transactional_db: None, settings: Any) -> Project:
    """40 drawn circles and squares, labeled by three each; a run happens in this process when its message is read."""
    settings.TRAINER_PROCESS = False
    project = labeled_project(count=40)
    services.set_policy(project=project, changes=SMALL, user=project.owner)
    return project


@pytest.fixture
def train(labeled: Project, run_actors: Callable[[], int]) -> Callable[..., ModelVersion]:
    """``train(seed=1)``: one more version, by a real run."""

    def make(**options: Any) -> ModelVersion:
        run = services.request_run(project=labeled, cause="person", requested_by=labeled.owner, options=options)
        run_actors()
        return ModelVersion.objects.get(run=run)

    return make
