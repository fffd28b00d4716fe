"""Ask for a training run, and take the wish back."""

from __future__ import annotations

import contextlib
from typing import Unpack

from django.db import transaction
from django.utils import timezone

from labeling.models import Project
from labeling.text.words import gettext as _
from training import actors
from training.errors import NothingToDo
from training.models import TrainingRun
from training.runs import due
from training.runs.queueing import Wishes, create_run


@transaction.atomic
def request_run(*, project: Project, cause: str, **wishes: Unpack[Wishes]) -> TrainingRun:
    """``queueing.create_run``, which says what it raises, and the message that starts it, in one transaction."""
    run = create_run(project=project, cause=cause, **wishes)
    actors.run_training.send(str(run.pk))
    return run


def _how_it_ended(run: TrainingRun) -> str:
    if run.state == TrainingRun.State.CANCELLED:
        return _("The run was cancelled already.")
    if run.state == TrainingRun.State.FAILED:
        return _("The run has ended already: it failed.")
    return _("The run has ended already: it succeeded.")


def cancel_runs(project: Project) -> None:
    """Stop whatever run of the project is live: it is archived."""
    for run in TrainingRun.objects.live().filter(project=project):
        with contextlib.suppress(NothingToDo):  # it has ended meanwhile
            cancel_run(run=run)


@transaction.atomic
def cancel_run(*, run: TrainingRun) -> TrainingRun:
    """Stop the run: a queued one at once, a running one within a batch.

    Raises:
        NothingToDo: It has ended already.
    """
    run = TrainingRun.objects.select_for_update().get(pk=run.pk)
    if not run.is_live:
        raise NothingToDo(_how_it_ended(run))
    run.cancel_requested = True
    if run.state == TrainingRun.State.QUEUED:
        run.state = TrainingRun.State.CANCELLED
        run.finished_at = timezone.now()
    run.save(update_fields=["cancel_requested", "state", "finished_at"])
    due.look_again(run.project_id)
    return run
