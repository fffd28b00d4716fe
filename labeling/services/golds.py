"""Known answers: set by an owner for hidden gold, practice and the qualification test."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F

from labeling import audit
from labeling.collecting import box_golds, marking, phases, tasks, workflow
from labeling.consensus.update import update_task
from labeling.models import Gold, Project, Task
from labeling.resilience import races


def set_gold(
    *, task: Task, answers: Any, user: Any, use: str = Gold.Use.HIDDEN, explanation: str = "", position: int = 0
) -> Gold:
    """Make the task's answer known. The worker page asks it as it asks every other.

    Raises:
        CrowdtuneError: bad_gold; still_asked, a check of a task that people are asked more about.
    """
    project = task.project
    entry = marking.normal(project, answers)
    entry.update(use=use, explanation=explanation, position=position)
    with transaction.atomic():
        races.held(Task.objects.all(), task.pk)
        before = _known(task)
        gold = marking.mark(task=task, project=project, entry=entry, source=getattr(user, "username", ""))
        answers = gold.answers if before is None else [before, gold.answers]
        changes = {"task": task.pk, "use": use, "answers": answers}
        audit.write(project=project, user=user, action="gold_set", changes=changes)
    return gold


def remove_gold(*, task: Task, user: Any) -> None:
    """Make the task an ordinary one again: it is open, wants the project's minimum, and what was said of it counts.

    Gold that was made of boxes stays closed: it shows what no image of the workflow does.
    """
    project = Project.objects.get(pk=task.project_id)
    with transaction.atomic():
        races.held(Task.objects.all(), task.pk)
        changes = {"task": task.pk, "answers": _known(task)}
        marking.forget(project=project, task_ids=[task.pk])
        fresh = Task.objects.get(pk=task.pk)
        if workflow.MADE_GOLD not in fresh.stage:
            tasks.reopen(task_id=task.pk, count=max(project.judgments_min - fresh.judgment_count, 0))
            if fresh.judgment_count:
                update_task(task_id=task.pk)
        phases.look_again(project)
        marking.count(project)
        Project.objects.filter(pk=project.pk).update(answers_version=F("answers_version") + 1)
        audit.write(project=project, user=user, action="gold_removed", changes=changes)


def _known(task: Task) -> dict[str, Any] | None:
    return Gold.objects.filter(task=task).values_list("answers", flat=True).first()


def make_box_golds(*, project: Project, user: Any) -> int:
    """Make gold of some more covered images in the three-stage box workflow; returns how many tasks are new."""
    with transaction.atomic():
        made = box_golds.make(project=project)
        audit.write(project=project, user=user, action="box_golds_made", changes={"count": made})
    return made
