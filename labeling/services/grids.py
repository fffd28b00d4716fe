"""A grid is answered whole: every tile that was shown becomes a yes or a no, all of them or none."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from labeling import survey, tasks
from labeling.errors import CrowdtuneError
from labeling.models import Judgment, Project
from labeling.services.judging import submit_judgment
from labeling.survey import Asked


def grid_question(*, project: Project) -> Asked:
    """The yes/no question that a grid asks.

    Raises:
        CrowdtuneError: not_a_grid, when the survey asks anything else.
    """
    asked = survey.current(project).at(tasks.first_stage(project))
    required = [question for question in asked if question.required]
    if len(required) != 1 or required[0].kind != "yes_no":
        raise CrowdtuneError("not_a_grid", "A grid needs a survey whose one required question is yes/no.", 409)
    return required[0]


def submit_grid(
    *,
    project: Project,
    worker: Any,
    shown: Sequence[uuid.UUID],
    tapped: Sequence[uuid.UUID],
    seconds: float | None = None,
) -> list[Judgment]:
    """Store yes for the tapped and no for the other tiles; the time is shared evenly.

    Raises:
        CrowdtuneError: not_a_grid; invalid when a tile was tapped that was not shown; and what submit_judgment raises.
    """
    question = grid_question(project=project)
    if not shown or not set(tapped) <= set(shown):
        raise CrowdtuneError("invalid", "Every tapped tile must be one of the shown.", fields={"tapped": ["unknown"]})
    each = seconds / len(shown) if isinstance(seconds, int | float) else None
    with transaction.atomic():
        return [
            submit_judgment(
                assignment_id=tile, worker=worker, answers={question.key: tile in set(tapped)}, seconds=each
            )[0]
            for tile in sorted(shown)
        ]
