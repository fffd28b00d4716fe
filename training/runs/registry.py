"""Worker-side: the end of a run that went well: its version is numbered, filed, and let through the gate or not.

One transaction, under the project's lock and the attempt's fencing number: the folder gets its final name, the row
appears, the aliases move and the run succeeds together, or nothing of it happens.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from labeling.models import Project
from training import leftovers
from training.models import ModelVersion, TrainingPolicy, TrainingRun
from training.runs import due
from training.runs.progress import Cancelled, Lost
from training.versions import champions
from training.versions.gate import Verdict


@transaction.atomic
def register(
    *,
    run: TrainingRun,
    folder: Path,
    categories: list[str],
    metrics: dict[str, Any],
    manifest: dict[str, Any],
    verdict: Verdict,
    values: dict[str, Any],
) -> ModelVersion:
    """File the version in ``folder`` and end the run.

    Args:
        values: Last figures of the run's row (history, cost, log …).

    Raises:
        Lost: The run belongs to another attempt by now.
        Cancelled: A person cancelled it at the last moment, or deleted the project.
    """
    try:
        champions.lock(run.project_id)
    except Project.DoesNotExist as error:  # deleted meanwhile
        raise Cancelled from error
    mine = TrainingRun.objects.filter(pk=run.pk, state=TrainingRun.State.RUNNING, attempts=run.attempts)
    if not mine.filter(cancel_requested=False).update(
        state=TrainingRun.State.SUCCEEDED,
        progress=1.0,
        seconds_left=0.0,
        stage="done",
        finished_at=timezone.now(),
        metrics=metrics,
        **values,
    ):
        raise Cancelled if mine.exists() else Lost
    version = ModelVersion(
        project=run.project,
        run=run,
        number=_next_number(run.project_id),
        categories=categories,
        metrics=metrics,
        manifest=manifest,
        decision=verdict.reason,
    )
    version.artifact = f"models/{run.project_id}/{version.number}"
    version.save()
    leftovers.note(run.project_id)
    _file(folder, settings.DATA_DIR / version.artifact)
    champions.give_alias(version=version, alias=verdict.alias, kind="gate", reason=verdict.reason)
    TrainingPolicy.objects.filter(project=run.project, drift_at__lte=run.created_at).update(
        drift_at=None, drift_reason=""
    )
    due.look_again(run.project_id)
    return version


def _next_number(project_id: int) -> int:
    highest: int | None = ModelVersion.objects.filter(project=project_id).aggregate(n=Max("number"))["n"]
    return (highest or 0) + 1


def _file(folder: Path, target: Path) -> None:
    """Give the folder its final name; what lies there without a row was left by a kill."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    try:
        shutil.move(folder, target)  # mostly no copy: answers wait for the project's lock
    except OSError:  # models/ is a disk of its own, and full: half a copy would keep it so
        shutil.rmtree(target, ignore_errors=True)
        raise
