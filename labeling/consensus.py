"""A task's judgments -> its Consensus rows, inside the transaction of each submit. Worker-side.

The posterior is brought up to date at once from the skills that the last full fit (``labeling.fitting``) wrote down;
nothing is fitted here. Four statements a submit: the task, its judgments, its workers' skills, and one upsert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db.models import F, OuterRef, Subquery
from django.utils import timezone

from labeling import crowdfit, stopping, survey, tasks
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, Said, combine
from labeling.models import Consensus, Judgment, Membership, Project, Question, Task, WorkerSkill
from labeling.questions import KINDS
from labeling.stopping import TaskState
from labeling.survey import Asked

Row = tuple[int, Mapping[str, Any], float]  # worker, answers, weight


def update_task(*, task_id: int) -> None:
    """Bring the task's consensus up to date, and retire the task or ask for more. Called in the submit transaction."""
    task = Task.objects.select_related("project").get(pk=task_id)
    if task.is_gold or task.retired_because == Task.Because.PERSON:
        return
    project = task.project
    rows = _judgments(task)
    questions = survey.current(project).at(task.stage)
    skills = _skills([question.id for question in questions], [worker for worker, _, _ in rows])
    fits = _beliefs(project.pk, project.fitted_version)
    found: dict[int, Combined] = {}
    for question in questions:
        combined = _combined(question, rows, fits, skills, project.aggregator)
        if combined is not None:
            found[question.id] = combined
    _write(task, found)
    if task.state == Task.State.OPEN:
        _decide(task, project, rows, questions, found)


def _judgments(task: Task) -> list[Row]:
    weight = Membership.objects.filter(project_id=task.project_id, user_id=OuterRef("worker_id")).values("weight")
    said = Judgment.objects.filter(task_id=task.pk, withdrawn_at=None).annotate(weight=Subquery(weight[:1]))
    return [
        (worker, answers, 1.0 if weight is None else weight)
        for worker, answers, weight in said.order_by("id").values_list("worker_id", "answers", "weight")
    ]


def _skills(questions: Sequence[int], workers: Sequence[int]) -> dict[int, dict[int, dict[str, Any]]]:
    """Question -> worker -> what the fit stored."""
    found: dict[int, dict[int, dict[str, Any]]] = {}
    stored = WorkerSkill.objects.filter(question_id__in=questions, worker_id__in=workers)
    for question, worker, accuracy, confusion in stored.values_list("question", "worker", "accuracy", "confusion"):
        found.setdefault(question, {})[worker] = unpacked(accuracy, confusion)
    return found


def unpacked(accuracy: float, confusion: Any) -> dict[str, Any]:
    """A WorkerSkill row as ``labeling.aggregation.combine`` reads it: a matrix, or named numbers for other kinds."""
    if isinstance(confusion, Mapping):
        return {"accuracy": accuracy, **confusion}
    return {"accuracy": accuracy, "confusion": confusion}


@lru_cache(maxsize=256)
def _beliefs(project_id: int, fitted_version: int) -> dict[int, dict[str, Any]]:
    """Question -> the last fit; a fit writes it and ``fitted_version`` together, so a process may keep what it read."""
    return dict(Question.objects.filter(project_id=project_id).values_list("id", "fit"))


def _combined(
    question: Asked, rows: Iterable[Row], fits: Mapping[int, Any], skills: Mapping[int, Any], method: str
) -> Combined | None:
    said = [Said(worker, answers[question.key], weight) for worker, answers, weight in rows if question.key in answers]
    belief = Belief.read(fits.get(question.id) or {}, crowdfit.classes_of(question), method)
    statistic = KINDS[question.kind].statistic
    return combine(statistic, said, crowdfit.scaled(question), belief, skills.get(question.id, {}))


def _write(task: Task, found: Mapping[int, Combined]) -> None:
    """One upsert; whether the row is final is left as it is, and new rows of a retired task are final."""
    now = timezone.now()
    rows = [
        Consensus(
            task=task,
            project_id=task.project_id,
            question_id=question,
            answer=combined.answer,
            confidence=combined.confidence,
            posterior=combined.posterior,
            method=task.project.aggregator,
            judgment_count=combined.judgments,
            is_final=task.state == Task.State.RETIRED,
            updated_at=now,
        )
        for question, combined in found.items()
    ]
    fields = ["answer", "confidence", "posterior", "method", "judgment_count", "updated_at"]
    Consensus.objects.bulk_create(rows, update_conflicts=True, unique_fields=["task", "question"], update_fields=fields)


def _decide(
    task: Task, project: Project, rows: Sequence[Row], questions: Sequence[Asked], found: Mapping[int, Combined]
) -> None:
    asked = [question for question in questions if question.id in found]
    required = [question for question in asked if question.required] or asked
    primary = next((question.id for question in asked if found[question.id].votes), None)
    fits = _beliefs(project.pk, project.fitted_version)
    state = TaskState(
        judgments=len(rows),
        wanted=task.wanted,
        least=project.judgments_min,
        most=project.judgments_max,
        confidence=min((found[question.id].confidence for question in required), default=0.0),
        threshold=project.confidence,
        spent=project.is_spent,
        votes=found[primary].votes if primary else {},
        table=fits.get(primary, {}).get("table", {}) if primary else {},
    )
    apply(task_id=task.pk, decision=stopping.POLICIES[project.stopping](state))


def apply(*, task_id: int, decision: stopping.Decision) -> None:
    """Carry out what a policy decided."""
    if decision.action == "retire":
        tasks.retire(task_id=task_id, because=decision.because)
    elif decision.action == "more" and not tasks.open_more(task_id=task_id):
        tasks.retire(task_id=task_id, because=Task.Because.MAXIMUM)


def mark_changed(*, project_id: int) -> None:
    """Say that the project's judgments changed by other means than a submit, so that the next sweep fits again."""
    Project.objects.filter(pk=project_id).update(answers_version=F("answers_version") + 1)
