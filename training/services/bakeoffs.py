"""Compare backbones and recipes on a project's labels, and make the winner the recipe."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy

from labeling import jobs
from labeling.models import Job, Project
from labeling.text.words import gettext as _
from training import actors
from training.errors import BadRequest, NothingToDo
from training.models import FROM_SCRATCH, TrainingPolicy
from training.runs.queueing import check_choice
from training.services.policies import set_policy
from training.snapshots.freezing import freeze_snapshot

KIND = "bake_off"
jobs.KINDS[KIND] = gettext_lazy("Comparing backbones")
MOST = 12
COSTS = ("latency", "megabytes")
COMPACT = "crowdtune_small"  # what starts from random weights


@transaction.atomic
def start_bake_off(*, project: Project, candidates: list[dict[str, Any]], requested_by: Any = None) -> Job:
    """Freeze the labels of now and measure every candidate on them.

    Args:
        candidates: ``{"backbone", "recipe", "augmentation"}``, 1 to MOST of them. The recipe may be FROM_SCRATCH, which
            has a network of its own.

    Raises:
        BadRequest: None, too many, or an unknown backbone or recipe.
        NotEnoughLabels: There is too little to train on.
        NothingToDo: One is under way already.
    """
    if not 1 <= len(candidates) <= MOST:
        raise BadRequest(
            _("Choose 1 to %(most)s candidates to compare, got %(candidates)s.")
            % {"most": MOST, "candidates": len(candidates)},
            "candidates",
        )
    for candidate in candidates:
        recipe = None if candidate["recipe"] == FROM_SCRATCH else candidate["recipe"]
        check_choice(project=project, backbone=candidate["backbone"], recipe=recipe, reserved=False)
    if Job.objects.live().filter(project=project, kind=KIND).exists():
        raise NothingToDo(_("A comparison is under way already. Wait for it, or cancel it."))
    snapshot = freeze_snapshot(project=project)
    plain = [
        {"backbone": COMPACT, "recipe": FROM_SCRATCH, "augmentation": True}
        if c["recipe"] == FROM_SCRATCH
        else {"backbone": c["backbone"], "recipe": c["recipe"], "augmentation": bool(c.get("augmentation"))}
        for c in candidates
    ]
    return jobs.start(
        project=project,
        kind=KIND,
        arguments={"snapshot": snapshot.pk, "candidates": plain},
        requested_by=requested_by,
        actor=actors.bake_off,
    )


def with_fronts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each candidate with ``on_front``: cost -> whether none has less error at no more of it, or as much for less."""
    measured = [row for row in rows if row.get("top1_error") is not None]

    def is_beaten(row: dict[str, Any], cost: str) -> bool:
        mine = (row["top1_error"], row[cost])
        others = [(other["top1_error"], other[cost]) for other in measured]
        return any(other[0] <= mine[0] and other[1] <= mine[1] and other != mine for other in others)

    fronts = [{cost: row in measured and not is_beaten(row, cost) for cost in COSTS} for row in rows]
    return [{**row, "on_front": front} for row, front in zip(rows, fronts, strict=True)]


@transaction.atomic
def use_candidate(*, job: Job, number: int, user: Any = None) -> TrainingPolicy:
    """Make a candidate of a finished bake-off the project's backbone and recipe.

    Raises:
        BadRequest: There is no such candidate, or it started from scratch.
    """
    rows = job.result.get("rows", [])
    if not 0 <= number < len(rows) or rows[number].get("top1_error") is None:
        raise BadRequest(_("There is no measured candidate %(number)s.") % {"number": number}, "candidate")
    if rows[number]["recipe"] == FROM_SCRATCH:
        raise BadRequest(_("A network from scratch is only there to compare with. Choose another one."), "candidate")
    chosen = {name: rows[number][name] for name in ("backbone", "recipe", "augmentation")}
    return set_policy(project=job.project, changes=chosen, user=user)
