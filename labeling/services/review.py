"""A reviewer's word on a disputed task: it decides, reopens or retires, and the reason is kept."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F

from labeling import audit, webhooks
from labeling.accounts import people
from labeling.collecting import tasks, workflow
from labeling.errors import CrowdtuneError
from labeling.models import Consensus, Project, Task
from labeling.resilience import races
from labeling.surveys import survey
from labeling.text.words import gettext as _


def decide_task(*, task: Task, answers: dict[str, Any], user: Any, seen: str | None = None) -> Task:
    """Set the task's answers by a person's decision and retire it.

    Args:
        seen: Why the task had ended when the person looked at it: another's decision since then is not overruled.

    Raises:
        CrowdtuneError: bad_answer; is_gold; decided, by somebody else meanwhile.
    """
    project = task.project
    asked = survey.current(project)
    checked = asked.check(task.stage, answers, width=task.image.width, height=task.image.height)
    ids = {question.key: question.id for question in asked.at(task.stage)}
    with transaction.atomic():
        _hold(task)  # before its consensus, as an answer does
        if Task.objects.filter(pk=task.pk, is_gold=True).exists():
            # Else people would go on to be measured by another answer than the label.
            raise CrowdtuneError(
                "is_gold", _("The answer to this task is known: change it as gold, or take that back first."), 409
            )
        if seen not in {None, Task.Because.PERSON}:
            _refuse_decided(task, user)
        for key, answer in checked.items():
            name = ("yes" if answer else "no") if isinstance(answer, bool) else answer
            Consensus.objects.update_or_create(
                task=task,
                question_id=ids[key],
                defaults={
                    "project": project,
                    "answer": answer,
                    "confidence": 1.0,
                    "posterior": {name: 1.0} if isinstance(name, str) else {},
                    "method": "person",
                    "is_final": True,
                    "decided_by": user,
                },
            )
        if not tasks.retire(task_id=task.pk, because=Task.Because.PERSON):
            # A task that had been retired already is from now on a person's: no late answer decides it anew.
            Task.objects.filter(pk=task.pk).update(retired_because=Task.Because.PERSON)
        _follow(task)
        workflow.settle_drawing(task=task, answers=checked)
        Project.objects.filter(pk=project.pk).update(answers_version=F("answers_version") + 1)
        audit.write(project=project, user=user, action="decided", changes={"task": task.pk, "answers": checked})
    task.refresh_from_db()
    return task


def _hold(task: Task) -> None:
    """Lock it and the others of its image, which may be deleted at this moment."""
    workflow.hold(task_id=task.pk)
    races.held(Task.objects.all(), task.pk)


def _refuse_decided(task: Task, user: Any) -> None:
    rows = Consensus.objects.filter(task=task).exclude(decided_by=None).exclude(decided_by=user)
    for row in rows.select_related("decided_by")[:1]:
        message = _("%(name)s has decided this one meanwhile. Look at it: what you decide now replaces that.")
        raise CrowdtuneError("decided", message % {"name": people.name_of(row.decided_by)}, 409)


def retire_task(*, task: Task, user: Any) -> Task:
    """Close a task as it stands, by a person."""
    with transaction.atomic():
        _hold(task)
        if not tasks.retire(task_id=task.pk, because=Task.Because.PERSON):
            raise CrowdtuneError("not_open", _("This task is retired already."), 409)
        _follow(task)
        audit.write(project=task.project, user=user, action="retired", changes={"task": task.pk})
    task.refresh_from_db()
    return task


def _follow(task: Task) -> None:
    """What the retirement of a task causes, whoever retires it; what follows a drawing is ``settle_drawing``'s."""
    project = task.project
    if project.in_stages and not task.stage.startswith("draw:"):
        workflow.advance(task_id=task.pk)
    webhooks.tell_retired(project=project, reasons={task.pk: Task.Because.PERSON})


def reopen_task(*, task: Task, user: Any, count: int = 1) -> Task:
    """Ask ``count`` more judgments of a retired task; a person's decision on it is withdrawn."""
    with transaction.atomic():
        _hold(task)
        if not tasks.reopen(task_id=task.pk, count=count):
            raise CrowdtuneError("not_retired", _("Only a retired task that is not gold can be opened again."), 409)
        Consensus.objects.filter(task=task).update(decided_by=None, is_final=False)
        workflow.void(task=task)
        audit.write(project=task.project, user=user, action="reopened", changes={"task": task.pk, "count": count})
    task.refresh_from_db()
    return task
