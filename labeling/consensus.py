"""A task's judgments -> its Consensus rows, inside the transaction of each submit. Worker-side.

The posterior is brought up to date at once from the skills that the last full fit (``labeling.fitting``) wrote down;
nothing is fitted here. Two statements a submit: the task's judgments with their workers' skills, and one upsert; in
plain SQL, because everyone who labels waits for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db.models import F
from django.utils import timezone

from labeling import crowdfit, stopping, survey, tasks
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, Said, combine
from labeling.answers import Recorded
from labeling.leases import fetch
from labeling.models import Project, Question, Task
from labeling.questions import KINDS
from labeling.stopping import TaskState
from labeling.survey import Asked, Survey

Row = tuple[int, Mapping[str, Any], float]  # worker, answers, weight


def update_task(*, task_id: int) -> None:
    """Bring the task's consensus up to date, and retire the task or ask for more."""
    task = Task.objects.select_related("project").get(pk=task_id)
    now = Recorded(0, task.pk, task.judgment_count, task.wanted, task.state, task.retired_because, timezone.now())
    if not task.is_gold:
        update_answered(project=task.project, stage=task.stage, task=now)


def update_answered(*, project: Project, stage: str, task: Recorded) -> None:
    """The same for a task that has just been answered, under the lock of that: two statements, prepared once."""
    if task.retired_because == Task.Because.PERSON:
        return
    asked = survey.current(project)
    questions = asked.at(stage)
    said, skills = _said(task.task_id, [question.id for question in questions], asked)
    rows = [row for row in said if row[1]]
    fits = _beliefs(project.pk, project.fitted_version)
    found: dict[int, Combined] = {}
    for question in questions:
        combined = _combined(question, rows, fits, skills, project.aggregator)
        if combined is not None:
            found[question.id] = combined
    _write(project, task, found)
    if task.state == Task.State.OPEN:
        # A judgment whose form asked nothing that is asked now is none of those that the task wants.
        wanted = task.wanted - (len(said) - len(rows))
        _decide(task._replace(wanted=wanted), project, rows, questions, found)


_SAID = """
SELECT j.worker_id, j.answers, j.survey_version, coalesce(m.weight, 1.0), (
    SELECT json_agg(json_build_array(s.question_id, s.accuracy, s.confusion)) FROM labeling_workerskill s
    WHERE s.worker_id = j.worker_id AND s.question_id = ANY(%(questions)s))
FROM labeling_judgment j
LEFT JOIN labeling_membership m ON m.project_id = j.project_id AND m.user_id = j.worker_id
WHERE j.task_id = %(task)s AND j.withdrawn_at IS NULL ORDER BY j.id"""


def _said(task_id: int, questions: list[int], asked: Survey) -> tuple[list[Row], dict[int, dict[int, dict[str, Any]]]]:
    """The task's judgments, and question -> worker -> what the fit stored of the workers who made them.

    Of a judgment on another version of the survey only what still counts.
    """
    rows: list[Row] = []
    skills: dict[int, dict[int, dict[str, Any]]] = {}
    for worker, text, version, weight, stored in fetch(_SAID, {"task": task_id, "questions": questions}):
        answers = json.loads(text) if isinstance(text, str) else text
        rows.append((worker, answers if version == asked.version else asked.counted(answers), weight))
        for question, accuracy, confusion in stored or ():
            skills.setdefault(question, {})[worker] = unpacked(accuracy, confusion)
    return rows, skills


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


_WRITE = """
INSERT INTO labeling_consensus (task_id, project_id, question_id, answer, confidence, posterior, method,
                                judgment_count, is_final, updated_at, others)
SELECT %(task)s, %(project)s, r.question, r.answer, r.confidence, r.posterior, %(method)s, r.judgments, %(final)s,
       %(now)s, '{}'
FROM json_to_recordset(%(rows)s::json)
    AS r(question bigint, answer jsonb, confidence float8, posterior jsonb, judgments int)
ON CONFLICT (task_id, question_id) DO UPDATE SET answer = excluded.answer, confidence = excluded.confidence,
    posterior = excluded.posterior, method = excluded.method, judgment_count = excluded.judgment_count,
    updated_at = excluded.updated_at
RETURNING id"""


def _write(project: Project, task: Recorded, found: Mapping[int, Combined]) -> None:
    """One upsert; whether the row is final is left as it is, and new rows of a retired task are final."""
    rows = [
        {
            "question": question,
            "answer": combined.answer,
            "confidence": combined.confidence,
            "posterior": combined.posterior,
            "judgments": combined.judgments,
        }
        for question, combined in found.items()
    ]
    values = {"task": task.task_id, "project": project.pk, "method": project.aggregator, "rows": json.dumps(rows)}
    fetch(_WRITE, {**values, "final": task.state == Task.State.RETIRED})


def _decide(
    task: Recorded, project: Project, rows: Sequence[Row], questions: Sequence[Asked], found: Mapping[int, Combined]
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
    apply(task_id=task.task_id, decision=stopping.POLICIES[project.stopping](state))


def apply(*, task_id: int, decision: stopping.Decision) -> None:
    """Carry out what a policy decided."""
    if decision.action == "retire":
        tasks.retire(task_id=task_id, because=decision.because)
    elif decision.action == "more" and not tasks.open_more(task_id=task_id):
        tasks.retire(task_id=task_id, because=Task.Because.MAXIMUM)


def mark_changed(*, project_id: int) -> None:
    """Say that the project's judgments changed by other means than a submit, so that the next sweep fits again."""
    Project.objects.filter(pk=project_id).update(answers_version=F("answers_version") + 1)
