"""What a file's judgments make of their tasks: at once, chunk by chunk, and once more when all of it is there."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from labeling import webhooks
from labeling.collecting import tasks
from labeling.consensus.update import no_longer_sure, update_tasks
from labeling.models import Consensus, Judgment, Project, Task

CHUNK = 200  # tasks, looked at under one lock


def settle(project: Project, answered: list[Task]) -> None:
    """Bring the consensus of these tasks up to date, and tell of those that it retires."""
    now = Project.objects.get(pk=project.pk)  # its settings may have been changed since the import began
    update_tasks(project=now, stage=tasks.first_stage(project), rows=answered)
    were_open = [task.pk for task in answered if task.state == Task.State.OPEN]
    ended = Task.objects.filter(pk__in=were_open, state=Task.State.RETIRED)
    webhooks.tell_retired(project=project, reasons=dict(ended.values_list("pk", "retired_because")))


def look_again(project: Project, since: datetime) -> None:
    """Open the tasks again that the first of a file's lines made sure of and that all of them do not.

    Where boxes are drawn in stages the next one has followed, so there nothing is opened.
    """
    if project.workflow != Project.Workflow.LABEL:
        return
    brought = Judgment.objects.filter(task=OuterRef("pk"), source="import", withdrawn_at=None)
    retired = Task.objects.filter(project=project, retired_because=Task.Because.CONFIDENT, retired_at__gte=since)
    ids = list(retired.filter(Exists(brought)).order_by("pk").values_list("pk", flat=True))
    now = Project.objects.get(pk=project.pk)  # as its last fit left it
    for start in range(0, len(ids), CHUNK):
        _open_unsure(now, ids[start : start + CHUNK])


@transaction.atomic
def _open_unsure(project: Project, task_ids: list[int]) -> None:
    held = Task.objects.filter(pk__in=task_ids, retired_because=Task.Because.CONFIDENT)
    rows = list(held.order_by("pk").select_for_update())
    unsure = no_longer_sure(project=project, stage=tasks.first_stage(project), rows=rows)
    if not unsure:
        return
    opened = tasks.reopen_all(task_ids=unsure)
    Consensus.objects.filter(task_id__in=opened, decided_by=None).update(is_final=False)
    settle(project, list(Task.objects.filter(pk__in=opened).order_by("pk")))
