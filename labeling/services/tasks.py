"""Verbs over tasks that other rooms and people call: open one, ask for more, change what comes first, or many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from labeling import audit, jobs
from labeling.actors import change_tasks as change_tasks_actor
from labeling.aggregation.combine import answer_of
from labeling.collecting import changing, spending, tasks
from labeling.errors import CrowdtuneError
from labeling.models import Image, Job, Project, Question, Task
from labeling.text.words import gettext as _

MOST_MORE = 100  # judgments that a task can be asked for at once


def open_task_for(*, image: Image) -> Task:
    """Open the image's first task; the one that is there when it was opened before."""
    return tasks.open_for(image=image, project=image.project, stage=tasks.first_stage(image.project))


def open_more(*, task: Task, count: int = 1) -> bool:
    """Ask for more judgments of an open task, up to the project's maximum."""
    return tasks.open_more(task_id=task.pk, count=count, insists=True)


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


def hand_out_sooner(*, task: Task) -> bool:
    """Put an open task before the others, whatever a model thinks of it."""
    return bool(changing.hand_out_sooner([task.pk]))


def change_tasks(
    *, project: Project, user: Any, question: Question, change: str, where: Mapping[str, Any], count: int = 1
) -> Job:
    """Start one change to the tasks of all labels of a question that fit: a job, since they may be a million.

    Args:
        change: ``ask_more`` (of finished tasks, ``count`` judgments each), ``sooner`` (of open ones) or
            ``close`` (of open and disputed ones).
        where: What ``labeling.collecting.changing.labels_where`` takes beside project and question.

    Raises:
        CrowdtuneError: invalid, when there is no such change, or the count is not between 1 and MOST_MORE.
    """
    if change not in changing.CHANGES:
        raise CrowdtuneError("invalid", _("change must be one of %(names)s.") % {"names": ", ".join(changing.CHANGES)})
    if not 1 <= count <= MOST_MORE:
        raise CrowdtuneError("invalid", _("count must be from 1 to %(most)s.") % {"most": MOST_MORE})
    wishes = {"change": change, "count": count, "question": question.pk, "where": dict(where)}
    with transaction.atomic():
        asked = {"count": count} if change == "ask_more" else {}
        told = {"change": change, **asked, "question": question.key, **where}
        audit.write(project=project, user=user, action="tasks_changed", changes=told)
        return jobs.start(
            project=project, kind="change_tasks", arguments=wishes, requested_by=user, actor=change_tasks_actor
        )


def suggest_answers(*, project: Project, labels: Mapping[int, str], source: str) -> int:
    """Put a suggested label of the primary question beside open tasks that nobody has judged; returns how many.

    And beside hidden gold, which would else be known by having none.

    Args:
        project: One with ``show_suggestions``; else nothing is done.
        labels: Image id -> category.
        source: Who suggests, for instance ``model 3``.
    """
    question = project.primary_question()
    if question is None or not project.show_suggestions or not labels:
        return 0
    ids = list(labels)
    statement = """
        UPDATE labeling_task t SET payload = t.payload || jsonb_build_object(
            'suggestions', jsonb_build_object(%s::text, s.answer::jsonb), 'suggested_by', %s::text,
            'blind_share', %s::float8)
        FROM unnest(%s::bigint[], %s::text[]) AS s(image_id, answer)
        WHERE t.image_id = s.image_id AND t.project_id = %s AND (
            t.is_gold AND EXISTS (SELECT FROM labeling_gold g WHERE g.task_id = t.id AND g.use = 'hidden')
            OR t.state = 'open' AND NOT t.is_gold AND t.judgment_count = 0)"""
    answers = [json.dumps(answer_of(labels[key], question.kind)) for key in ids]
    values: list[Any] = [question.key, source, project.blind_share, ids, answers, project.pk]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def retire_when_spent(*, project: Project) -> int:
    """Retire all open tasks of a project whose budget is spent; returns how many."""
    return spending.retire_when_spent(project_id=project.pk)
