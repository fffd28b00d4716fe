"""Verbs over tasks that other rooms and people call: open one, ask for more, change what comes first."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection, transaction

from labeling import spending, tasks
from labeling.models import Image, Project, Task


def open_task_for(*, image: Image, stage: str = "label", payload: dict | None = None) -> Task:
    """Open the image's task at a stage; the one that is there when it was opened before."""
    return tasks.open_for(image=image, project=image.project, stage=stage, payload=payload)


def open_more(*, task: Task, count: int = 1) -> bool:
    """Ask for more judgments of an open task, up to the project's maximum."""
    return tasks.open_more(task_id=task.pk, count=count)


def raise_priority(*, project: Project, priorities: Mapping[int, float]) -> int:
    """Set the priority of the open tasks of these images (by id); higher is sooner. Returns how many changed."""
    ids = list(priorities)
    statement = """
        UPDATE labeling_task t SET priority = p.priority
        FROM unnest(%s::bigint[], %s::float8[]) AS p(image_id, priority)
        WHERE t.image_id = p.image_id AND t.project_id = %s AND t.state = 'open' AND t.priority <> p.priority"""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [ids, [float(priorities[key]) for key in ids], project.pk])
        return cursor.rowcount


def retire_when_spent(*, project: Project) -> int:
    """Retire all open tasks of a project whose budget is spent; returns how many."""
    return spending.retire_when_spent(project_id=project.pk)
