"""A task's judgments -> its Consensus rows, inside the transaction of each submit. Worker-side.

The posterior is brought up to date at once from the skills that the last full fit (``labeling.consensus.fitting``)
wrote down; nothing is fitted here. The statements are those of ``labeling.collecting.statements``: everyone who labels
waits for them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.utils import timezone

from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, Said, combine
from labeling.collecting import statements, tasks
from labeling.collecting.statements import Heard, Recorded
from labeling.consensus import stopping
from labeling.consensus.base import scaled, unpacked
from labeling.consensus.stopping import TaskState
from labeling.models import Consensus, Gold, Project, Question, Task
from labeling.questions import conditions
from labeling.surveys import survey
from labeling.surveys.survey import Asked, Survey

Row = tuple[int, Mapping[str, Any], float]  # worker, answers, weight


def update_task(*, task_id: int) -> None:
    """Bring the task's consensus up to date, and retire the task or ask for more."""
    task = Task.objects.select_related("project").get(pk=task_id)
    update_tasks(project=task.project, stage=task.stage, rows=[task])


def update_tasks(*, project: Project, stage: str, rows: Iterable[Task]) -> None:
    """The same for several tasks of a stage, as they are now: what was said of all of them is read at once."""
    asked = list(rows)
    told = _heard(project, stage, [task.pk for task in asked])
    kept = _kept([task.pk for task in asked if task.is_gold])
    for task in asked:
        facts = (task.judgment_count, task.wanted, task.asked_for, task.state, task.retired_because)
        now = Recorded(0, task.pk, *facts, timezone.now(), told[task.pk])
        update_answered(project=project, stage=stage, task=now, kept=kept.get(task.pk, ()))


def no_longer_sure(*, project: Project, stage: str, rows: Iterable[Task]) -> list[int]:
    """Those of the tasks that were sure enough of which more was said since: by all that is known now they are not."""
    asked = list(rows)
    told = _heard(project, stage, [task.pk for task in asked])
    found = []
    for task in asked:
        facts = (task.judgment_count, task.wanted, task.asked_for, Task.State.OPEN, "")
        now = Recorded(0, task.pk, *facts, timezone.now(), told[task.pk])
        if weigh(project=project, stage=stage, task=now)[1].because != "confident":
            found.append(task.pk)
    return found


def update_answered(
    *,
    project: Project,
    stage: str,
    task: Recorded,
    price: Decimal | None = None,
    kept: Collection[str] | None = None,
) -> bool:
    """The same for a task that has just been answered, under the lock of that, in one statement.

    Where a price is given it counts the judgment in the project, and returns whether the next would not fit its budget.
    ``kept`` are the questions of gold that no answer moves; they are looked up where they are not given.
    """
    if kept is None:
        is_gold = task.retired_because == Task.Because.GOLD
        kept = _kept([task.task_id]).get(task.task_id, ()) if is_gold else ()
    if task.retired_because == Task.Because.PERSON and _stands(project, task.task_id):
        return price is not None and statements.count(project_id=project.pk, judgments=1, price=price)
    if task.heard is None:
        task = task._replace(heard=_heard(project, stage, [task.task_id])[task.task_id])
    rows, decision, void = weigh(project=project, stage=stage, task=task, kept=kept)
    if decision.action == "more" and not tasks.open_more(task_id=task.task_id, void=void):
        decision = stopping.Decision("retire", "maximum")
    if price is None and not rows and not decision.because:
        return False
    return statements.settle(task=task, project=project, rows=rows, because=decision.because, price=price)


def _heard(project: Project, stage: str, task_ids: Sequence[int]) -> dict[int, list[Heard]]:
    questions = [each.id for each in survey.current(project).at(stage)]
    return statements.heard(task_ids=task_ids, project_id=project.pk, questions=questions)


def _kept(task_ids: Sequence[int]) -> dict[int, set[str]]:
    """Gold -> its questions whose answer is known, or was decided by a person; the others are labeled like any."""
    kept = {task: set(known) for task, known in Gold.objects.filter(task__in=task_ids).values_list("task", "answers")}
    decided = Consensus.objects.filter(task__in=kept).exclude(decided_by=None)
    for task, key in decided.values_list("task", "question__key"):
        kept[task].add(key)
    return kept


def _stands(project: Project, task_id: int) -> bool:
    """Whether no answer moves what a person has closed: they said what it is, or the next stage has followed.

    Who only closed it as it stood may have done so before the first answer, which somebody was giving.
    """
    decided = Consensus.objects.filter(task_id=task_id).exclude(decided_by=None)
    return project.workflow != Project.Workflow.LABEL or decided.exists()


def weigh(
    *, project: Project, stage: str, task: Recorded, kept: Collection[str] = ()
) -> tuple[list[dict[str, Any]], stopping.Decision, int]:
    """What follows from all that was heard of a task: the rows of its consensus but for the questions that are
    ``kept``, whether it has enough, and how many of its judgments are void: their form asked nothing that is asked now.
    """
    asked = survey.current(project)
    questions = [question for question in asked.at(stage) if question.key not in kept]
    said, skills = _read(task.heard or (), asked)
    rows = [row for row in said if row[1]]
    fits = _beliefs(project.pk, project.fitted_version)
    found: dict[int, Combined] = {}
    for question in questions:
        combined = _combined(question, rows, fits, skills, project.aggregator)
        if combined is not None:
            found[question.id] = combined
    decision = stopping.WAIT
    void = len(said) - len(rows)  # none of those that the task wants
    if task.state == Task.State.OPEN:
        wants = task._replace(wanted=task.wanted - void, asked_for=task.asked_for - void)
        decision = _decide(wants, project, rows, questions, found)
    return _rows(found), decision, void


def _read(told: Sequence[Heard], asked: Survey) -> tuple[list[Row], dict[int, dict[int, dict[str, Any]]]]:
    """The task's judgments, and question -> worker -> what the fit stored of the workers who made them.

    Of a judgment on another version of the survey only what still counts.
    """
    rows: list[Row] = []
    skills: dict[int, dict[int, dict[str, Any]]] = {}
    for one in told:
        said = json.loads(one.answers) if isinstance(one.answers, str) else one.answers
        rows.append((one.worker_id, said if one.survey_version == asked.version else asked.counted(said), one.weight))
        for question, accuracy, confusion in one.skills or ():
            skills.setdefault(question, {})[one.worker_id] = unpacked(accuracy, confusion)
    return rows, skills


@lru_cache(maxsize=256)
def _beliefs(project_id: int, fitted_version: int) -> dict[int, dict[str, Any]]:
    """Question -> the last fit; a fit writes it and ``fitted_version`` together, so a process may keep what it read."""
    return dict(Question.objects.filter(project_id=project_id).values_list("id", "fit"))


def _combined(
    question: Asked, rows: Iterable[Row], fits: Mapping[int, Any], skills: Mapping[int, Any], method: str
) -> Combined | None:
    said = [Said(worker, answers[question.key], weight) for worker, answers, weight in rows if question.key in answers]
    belief = Belief.read(fits.get(question.id) or {}, question.classes, method)
    return combine(question.statistic, said, scaled(question), belief, skills.get(question.id, {}))


def _rows(found: Mapping[int, Combined]) -> list[dict[str, Any]]:
    return [
        {
            "question": question,
            "answer": combined.answer,
            "confidence": combined.confidence,
            "posterior": combined.posterior,
            "judgments": combined.judgments,
        }
        for question, combined in found.items()
    ]


def _decide(
    task: Recorded, project: Project, rows: Sequence[Row], questions: Sequence[Asked], found: Mapping[int, Combined]
) -> stopping.Decision:
    labels = {question.key: found[question.id].answer for question in questions if question.id in found}
    asked = [question for question in conditions.shown(questions, labels) if question.id in found]
    required = [question for question in asked if question.required] or asked
    primary = next((question.id for question in required if found[question.id].votes), None)
    fits = _beliefs(project.pk, project.fitted_version)
    sure = {question.id: found[question.id].confidence for question in required}
    state = TaskState(
        judgments=len(rows),
        wanted=task.wanted,
        least=max(project.judgments_min, task.asked_for),
        most=max(project.judgments_max, task.asked_for),
        confidence=min(sure.values(), default=0.0),
        threshold=project.confidence,
        spent=project.is_spent,
        votes=found[primary].votes if primary else {},
        table=fits.get(primary, {}).get("table", {}) if primary else {},
        beside=min((share for question, share in sure.items() if question != primary), default=1.0),
    )
    return stopping.POLICIES[project.stopping](state)
