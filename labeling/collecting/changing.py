"""Worker-side: one change to the tasks of all labels that fit a filter, part by part, as a job."""

from __future__ import annotations

import re

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Greatest

from labeling import webhooks
from labeling.aggregation.combine import answer_of
from labeling.collecting import tasks, workflow
from labeling.jobs import Report
from labeling.models import Consensus, Job, Judgment, Project, Question, Task
from labeling.models.task import ASKED_BACK
from labeling.text.words import gettext as _

PART = 200  # tasks of one transaction
SOONER = 1.0  # what is added to a priority, or to the highest that a model gives


def says(question: Question, label: str) -> Q:
    """Labels of the question that say this, or among others this where they say several."""
    if question.kind == "multiple_choice":
        return Q(answer__contains=[label])
    if question.kind == "boxes":
        return Q(answer__contains=[{"category": label}])
    if question.kind == "rating" and re.fullmatch(r"-?\d{1,9}", label):
        return Q(answer=int(label))
    return Q(answer=answer_of(label, question.kind))


def labels_where(
    *,
    project: Project,
    question: Question | None,
    answer: str = "",
    said: str = "",
    final: bool | None = None,
    below: float | None = None,
    name: str = "",
    differs: bool = False,
) -> QuerySet[Consensus]:
    """The project's labels that fit: this answer, where a person said that, final or not, less sure than so, a name;
    and whether only those that are not the plain majority's.
    """
    rows = workflow.labels_of(project).filter(question=question)
    if answer and question is not None:
        rows = rows.filter(says(question, answer))
    if said and question is not None:
        told = {question.key: answer_of(said, question.kind)}
        # Of this project, or where it was said rarely the database reads the judgments of all.
        heard = Judgment.objects.filter(project=project, withdrawn_at=None, answers__contains=told)
        rows = rows.filter(Exists(heard.filter(task=OuterRef("task"))))
    if final is not None:
        rows = rows.filter(is_final=final)
    if below is not None:
        rows = rows.filter(confidence__lt=below)
    if name:
        rows = rows.filter(task__image__name__icontains=name)
    return rows.differing_from_majority() if differs else rows


def run(job: Job, report: Report) -> None:
    """Go through the tasks in the order of their ids, from where an earlier attempt stopped."""
    project, wishes = job.project, job.arguments
    question = Question.objects.get(pk=wishes["question"], project=project)
    rows = labels_where(project=project, question=question, **wishes["where"]).filter(task__is_gold=False)
    result = {"last": 0, "changed": 0, "unchanged": 0, "of": rows.count(), **report.result}
    while True:
        part = rows.filter(task_id__gt=result["last"]).order_by("task_id").values_list("task_id", flat=True)[:PART]
        with transaction.atomic():
            held = Task.objects.filter(pk__in=list(part)).order_by("pk").select_for_update(of=("self",))
            found = list(held.values_list("pk", flat=True))
            if not found:
                break
            changed = CHANGES[wishes["change"]](project, found, wishes["count"])
            result["last"] = found[-1]
            result["changed"] += changed
            result["unchanged"] += len(found) - changed
            report.result.update(result)
            done = result["changed"] + result["unchanged"]
            said = _("%(done)s of %(all)s tasks") % {"done": done, "all": max(done, result["of"])}
            report.checkpoint(done / max(done, result["of"]), said)
    report.result.update(result)


def hand_out_sooner(ids: list[int]) -> int:
    """Put these tasks, those that are open, before all that a model or an audit has put first; returns how many."""
    first = Greatest(F("priority"), Value(ASKED_BACK)) + SOONER
    return Task.objects.filter(pk__in=ids, state=Task.State.OPEN).update(priority=first)


def _ask_more(project: Project, ids: list[int], count: int) -> int:
    """Finished tasks are open again and want ``count`` judgments more; a person's decision on them is withdrawn."""
    opened = [pk for pk in ids if tasks.reopen(task_id=pk, count=count)]
    Consensus.objects.filter(task__in=opened).update(decided_by=None, is_final=False)
    return len(opened)


def _sooner(project: Project, ids: list[int], count: int) -> int:
    """Open tasks are handed out before the others."""
    return hand_out_sooner(ids)


def _close(project: Project, ids: list[int], count: int) -> int:
    """Open tasks are closed, and disputed ones wait for no reviewer; their labels are as they stand."""
    left = tasks.leave_disputed(project=project, task_ids=ids)
    closed = tasks.retire_all(task_ids=ids, because=Task.Because.PERSON)
    if project.in_stages:
        for task in Task.objects.filter(pk__in=closed).exclude(stage__startswith="draw:").order_by("pk"):
            workflow.advance(task_id=task.pk)
    webhooks.tell_retired(project=project, reasons=dict.fromkeys(closed, Task.Because.PERSON))
    return len(closed) + left


CHANGES = {"ask_more": _ask_more, "sooner": _sooner, "close": _close}
