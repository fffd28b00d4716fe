"""A task's judgments -> its Consensus rows, at each submit: the majority, until the full fit says more. Worker-side."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from labeling import survey, tasks
from labeling.models import Consensus, Judgment, Project, Task
from labeling.questions import CANT_TELL, KINDS
from labeling.survey import Asked

COUNTED = {"class", "text", "median"}


def update_task(*, task_id: int) -> None:
    """Bring the task's consensus up to date, and retire the task or ask for more. Called in the submit transaction."""
    task = Task.objects.select_related("project").get(pk=task_id)
    project = task.project
    rows = list(
        Judgment.objects.filter(task_id=task_id, withdrawn_at=None).order_by("id").values_list("answers", flat=True)
    )
    confidences = []
    for question in survey.current(project).at(task.stage):
        answers = [row[question.key] for row in rows if question.key in row and row[question.key] != CANT_TELL]
        if answers:
            confidences.append(_write(task, question, answers))
    _decide(task, project, len(rows), min(confidences, default=0.0))


def _write(task: Task, question: Asked, answers: list[Any]) -> float:
    counts = Counter(json.dumps(answer, sort_keys=True) for answer in answers)
    best, votes = max(counts.items(), key=lambda item: item[1])
    confidence = votes / len(answers)
    posterior = {}
    if KINDS[question.kind].statistic == "class":
        posterior = {_name(json.loads(key)): count / len(answers) for key, count in counts.items()}
    Consensus.objects.update_or_create(
        task=task,
        question_id=question.id,
        defaults={
            "project": task.project,
            "answer": json.loads(best),
            "confidence": confidence,
            "posterior": posterior,
            "method": "majority",
            "judgment_count": len(answers),
        },
    )
    return confidence


def _name(answer: Any) -> str:
    return ("yes" if answer else "no") if isinstance(answer, bool) else answer


def _decide(task: Task, project: Project, count: int, confidence: float) -> None:
    if task.state != Task.State.OPEN or count < task.wanted:
        return
    if confidence >= project.confidence:
        tasks.retire(task_id=task.pk, because=Task.Because.CONFIDENT)
    elif not tasks.open_more(task_id=task.pk):
        tasks.retire(task_id=task.pk, because=Task.Because.MAXIMUM)
