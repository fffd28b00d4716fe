"""A grid is answered whole: every tile that was shown becomes a yes or a no, all of them or, for programs, none."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from labeling.collecting import leases, tasks
from labeling.collecting.leases import Lease
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Judgment, Membership, Project, Task
from labeling.resilience import races
from labeling.services.claims import claim_leases
from labeling.services.judging import submit_judgment
from labeling.services.undoing import undo_last
from labeling.surveys import survey
from labeling.surveys.asked_in import AskedIn, as_written
from labeling.surveys.survey import Asked
from labeling.text.words import gettext as _

OVER = {"lease_lost", "already_answered"}  # refusals of a tile that say nothing of the others


def grid_question(*, project: Project, version: int | None = None) -> Asked:
    """The yes/no question that a grid asks, in the survey as it is or as it was at a version.

    Raises:
        CrowdtuneError: not_a_grid, when the survey asks anything else.
    """
    asked = survey.load(project.pk, version or project.survey_version).at(tasks.first_stage(project))
    required = [question for question in asked if question.required]
    if len(required) != 1 or required[0].kind != "yes_no":
        raise CrowdtuneError("not_a_grid", _("A grid needs a survey whose one required question is yes/no."), 409)
    return required[0]


def claim_grid(*, project: Project, member: Membership, size: int) -> tuple[Asked, list[Lease]]:
    """The question and the tiles of the next grid, all of one version of the survey: the oldest lease's.

    What is leased of a later version is on the grid after it. Empty when nothing is left.
    """
    question = grid_question(project=project)
    found = claim_leases(project=project, member=member, hold=size)
    if found and found[0].survey_version != project.survey_version:
        question = grid_question(project=project, version=found[0].survey_version)
    return question, [lease for lease in found if lease.survey_version == found[0].survey_version]


@races.retried
def submit_grid(
    *,
    project: Project,
    worker: Any,
    shown: Sequence[uuid.UUID],
    tapped: Sequence[uuid.UUID],
    seconds: float | None = None,
    language: AskedIn = as_written,
    in_part: bool = False,
) -> list[Judgment]:
    """Store yes for the tapped and no for the other tiles; the time is shared evenly.

    With ``in_part`` tiles that are somebody else's or answered by now are passed over, and the others are stored.

    Raises:
        CrowdtuneError: not_a_grid; invalid when a tile was tapped that was not shown; and what submit_judgment raises.
    """
    chosen = set(tapped)
    if not shown or not chosen <= set(shown):
        raise CrowdtuneError("invalid", _("Every tapped tile must be one of the shown."), field="tapped")
    each = seconds / len(shown) if isinstance(seconds, int | float) else None
    stored = []
    keys = _questions_asked(project, worker, shown)
    with transaction.atomic():
        # A claim near the budget's end, and an answer after its lease, come from there to tasks.
        if project.budget is not None and project.price_per_judgment:
            leases.hold_budget(project_id=project.pk)
        # All tasks first and in one order: an answer locks its task before the project's row, which the first tile
        # takes; a second tile's task might be held by someone who waits for that row.
        tiles = Task.objects.filter(assignments__in=shown).order_by("pk").select_for_update(of=("self",))
        list(tiles.values_list("pk"))
        for tile in sorted(shown):
            answers = {keys[tile]: tile in chosen}
            try:
                judgment, _created = submit_judgment(
                    assignment_id=tile, worker=worker, answers=answers, seconds=each, language=language
                )
                stored.append(judgment)
            except CrowdtuneError as refusal:
                if not in_part or refusal.code not in OVER:
                    raise
    return stored


def can_undo_grid(*, project: Project, worker: Any, tiles: Sequence[uuid.UUID]) -> bool:
    """Whether it is this grid that the worker answered last: what waited on a device arrives tile by tile, and who is
    then asked about "the last grid" would see an earlier one come back.
    """
    said = Judgment.objects.filter(project=project, worker_id=worker.pk, source="worker", withdrawn_at=None)
    return bool(tiles) and said.order_by("-id").values_list("assignment_id", flat=True).first() in tiles


@races.retried
def undo_grid(*, project: Project, worker: Any, tiles: Sequence[uuid.UUID]) -> dict[uuid.UUID, bool]:
    """Take the answers to the grid that was sent last back, those that still stand; new lease -> what was said.

    Raises:
        CrowdtuneError: nothing_to_undo; and what a claim raises to who is paused.
    """
    back: dict[uuid.UUID, bool] = {}
    nothing: CrowdtuneError | None = None
    with transaction.atomic():
        # All tasks first and in one order, as they are answered.
        list(
            Task.objects.filter(assignments__in=tiles).order_by("pk").select_for_update(of=("self",)).values_list("pk")
        )
        for tile in sorted(tiles):
            try:
                lease, answers = undo_last(project=project, worker=worker, assignment_id=tile, most=leases.MOST)
                back[lease.pk] = True in answers.values()
            except CrowdtuneError as refusal:
                if refusal.code != "nothing_to_undo":
                    raise
                nothing = refusal
    if nothing and not back:
        raise nothing
    return back


def _questions_asked(project: Project, worker: Any, shown: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Tile -> the key of the question that it asked: that of the survey's version it was handed out with."""
    rows = Assignment.objects.filter(pk__in=shown, worker_id=worker.pk, project=project)
    versions = dict(rows.values_list("pk", "survey_version"))
    asked = {version: grid_question(project=project, version=version).key for version in set(versions.values())}
    current = "" if len(versions) == len(set(shown)) else grid_question(project=project).key
    return {tile: asked[versions[tile]] if tile in versions else current for tile in shown}
