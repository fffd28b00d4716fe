"""The figures of a project that need no counting of judgments: progress, cost, workers. Worker-side."""

from __future__ import annotations

import decimal
from typing import Any

from django.db.models import Avg, Count, F, Q, Sum
from django.db.models.functions import Greatest

from labeling.accounts import people
from labeling.collecting import workflow
from labeling.consensus import stopping
from labeling.models import Assignment, Consensus, Membership, Project, Task


def of_project(project: Project) -> dict[str, Any]:
    """Everything that ``/stats/`` says, as JSON-able numbers."""
    return {
        "progress": progress(project),
        "cost": cost(project),
        "retired": retired(project),
        "agreement": agreement(project),
        "boxes": workflow.figures(project) if project.workflow == Project.Workflow.THREE_STAGE_BOXES else None,
        "workers": [worker(row) for row in members(project)[:500]],
    }


def progress(project: Project) -> dict[str, Any]:
    done = project.retired_count / project.task_count if project.task_count else 0.0
    leased = Assignment.objects.filter(project=project, state=Assignment.State.LEASED).count()
    return {
        "images": project.image_count,
        "tasks": project.task_count,
        "retired": project.retired_count,
        "open": project.task_count - project.retired_count,
        "share": done,
        "judgments": project.judgment_count,
        "leased": leased,
    }


def cost(project: Project) -> dict[str, Any]:
    """What was spent, what was saved against asking the maximum of every task, and what the rest will cost."""
    most = project.judgments_min if project.stopping == "fixed" else project.judgments_max
    has = {state: _by_judgments(project, state) for state in Task.State}
    insisted = _insisted(project)
    ahead = stopping.forecast(
        retired=has[Task.State.RETIRED],
        still_open=has[Task.State.OPEN],
        least=project.judgments_min,
        most=most,
    )
    more = ahead.judgments_to_go + insisted
    finished = sum(has[Task.State.RETIRED])
    spent = sum(judgments * tasks for judgments, tasks in enumerate(has[Task.State.RETIRED]))
    return {
        "spent": str(project.spent),
        "price_per_judgment": str(project.price_per_judgment),
        "budget": None if project.budget is None else str(project.budget),
        "is_spent": project.is_spent,
        "judgments_per_task": ahead.per_task,
        "judgments_saved": max(finished * most - spent, 0),
        "judgments_to_finish": more,
        "cost_to_finish": str((decimal.Decimal(more) * project.price_per_judgment).quantize(decimal.Decimal("0.01"))),
    }


def _by_judgments(project: Project, state: str) -> list[int]:
    """[judgments]: how many tasks in this state have so many; gold is asked for its own sake.

    A task that the budget's end cut short is no task that needed so few: it says nothing of savings or of the rest. An
    open one has what somebody insists on (``_insisted``) already: the stopping policy has a say from there on.
    """
    tasks = Task.objects.filter(project=project, is_gold=False, state=state)
    said = Greatest("judgment_count", "asked_for") if state == Task.State.OPEN else F("judgment_count")
    rows = tasks.exclude(retired_because=Task.Because.BUDGET).annotate(said=said).values_list("said")
    counts = dict(rows.annotate(number=Count("id")).order_by().values_list("said", "number"))
    return [counts.get(judgments, 0) for judgments in range(max(counts, default=0) + 1)]


def _insisted(project: Project) -> int:
    """Judgments that a person or a rule asked of open tasks, however sure they are, and that are still to come."""
    rows = Task.objects.filter(project=project, is_gold=False, state=Task.State.OPEN)
    short = rows.filter(asked_for__gt=F("judgment_count")).aggregate(n=Sum(F("asked_for") - F("judgment_count")))
    return int(short["n"] or 0)


def retired(project: Project) -> dict[str, int]:
    """How many tasks retired for each reason."""
    rows = Task.objects.filter(project=project, state=Task.State.RETIRED).values_list("retired_because")
    return dict(rows.annotate(number=Count("id")).values_list("retired_because", "number"))


def agreement(project: Project) -> dict[str, Any]:
    """By question: how sure the labels are, and what the last full fit found of the crowd."""
    rows = (
        Consensus.objects.filter(project=project)
        .values(key=F("question__key"))
        .annotate(labels=Count("id"), mean_confidence=Avg("confidence"), final=Count("id", filter=Q(is_final=True)))
    )
    found: dict[str, Any] = {row["key"]: {**row} for row in rows}
    for question in project.questions.all():
        if question.key in found:
            found[question.key]["fit"] = question.fit.get("figures", {})
    return found


def members(project: Project) -> Any:
    rows = Membership.objects.filter(project=project).select_related("user")
    return rows.order_by("-judgment_count", "id")


def worker(row: Membership) -> dict[str, Any]:
    return {
        "username": people.name_of(row.user),
        "role": row.role,
        "phase": row.phase,
        "judgments": row.judgment_count,
        "skips": row.skip_count,
        # Files of judgments mostly do not tell how long they took.
        "seconds_per_judgment": row.seconds / row.judgment_count if row.judgment_count and row.seconds else None,
        "accuracy": row.accuracy,
        "gold_accuracy": row.gold_right / row.gold_seen if row.gold_seen else None,
        "earned": str(row.earned),
        "is_paused": row.is_paused,
    }
