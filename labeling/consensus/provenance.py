"""Where a label comes from, in full: every judgment, what it weighed, and what closed the task."""

from __future__ import annotations

from typing import Any

from labeling.accounts import people
from labeling.models import AuditEntry, Consensus, Departure, Gold, Judgment, Membership, RuleEvent, Task
from labeling.surveys import survey


def of_task(task: Task) -> dict[str, Any]:
    """Who said what, when, in how long, to which version of the survey, by which rule, and what it came to."""
    judgments = Judgment.objects.filter(task=task).select_related("worker").order_by("id")
    of_workers: dict[str, Any] = {"project": task.project_id, "user_id__in": [row.worker_id for row in judgments]}
    records = {row.user_id: row for row in Membership.objects.filter(**of_workers)}
    left = dict(Departure.objects.filter(**of_workers).values_list("user_id", "weight"))
    gold = Gold.objects.filter(task=task).first()
    labels = Consensus.objects.filter(task=task).asked(task.project)
    return {
        "task": task.pk,
        "image": {"id": task.image_id, "name": task.image.name, "sha256": task.image.sha256},
        "stage": task.stage,
        "state": task.state,
        "retired_because": task.retired_because,
        "retired_at": task.retired_at,
        "gold": {"answers": gold.answers, "use": gold.use, "source": gold.source} if gold else None,
        "labels": [_label(row) for row in labels.select_related("question", "decided_by")],
        "judgments": [_judgment(row, records.get(row.worker_id), left, task.stage) for row in judgments],
        "rules": [_event(row) for row in _events(records)],
        "decisions": [_entry(row) for row in _entries(task)],
    }


def _label(row: Consensus) -> dict[str, Any]:
    return {
        "question": row.question.key,
        "answer": row.answer,
        "confidence": row.confidence,
        "posterior": row.posterior,
        "method": row.method,
        "judgments": row.judgment_count,
        "is_final": row.is_final,
        "decided_by": row.decided_by.username if row.decided_by else None,
        "updated_at": row.updated_at,
    }


def _judgment(row: Judgment, record: Membership | None, left: dict[int, float], stage: str) -> dict[str, Any]:
    return {
        "id": row.pk,
        "worker": people.name_of(row.worker),
        "answers": row.answers,
        "seconds": row.seconds,
        "survey_version": row.survey_version,
        "language": row.language,
        "source": row.source,
        "order": order_of(row, stage),
        "created_at": row.created_at,
        "withdrawn_at": row.withdrawn_at,
        "worker_accuracy": record.accuracy if record else None,
        "worker_weight": record.weight if record else left.get(row.worker_id),
    }


def order_of(row: Judgment, stage: str) -> dict[str, list[str]]:
    """Shuffled question -> keys of its choices as this person saw them; nothing for judgments made elsewhere."""
    if row.source != "worker":
        return {}
    asked = survey.load(row.project_id, row.survey_version)
    return asked.orders(stage, survey.order_seed(worker_id=row.worker_id, task_id=row.task_id))


def _events(records: dict[int, Membership]) -> Any:
    return RuleEvent.objects.filter(membership__in=records.values()).order_by("-id")[:20]


def _event(row: RuleEvent) -> dict[str, Any]:
    return {"what": row.description, "measured": row.measured, "created_at": row.created_at}


def _entries(task: Task) -> Any:
    rows = AuditEntry.objects.filter(project=task.project_id, changes__task=task.pk)
    return rows.select_related("user").order_by("id")[:50]


def _entry(row: AuditEntry) -> dict[str, Any]:
    who = row.user.username if row.user else None
    return {"action": row.action, "by": who, "changes": row.changes, "created_at": row.created_at}
