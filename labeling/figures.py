"""The figures of a project that need no counting of judgments: progress, cost, workers. Worker-side."""

from __future__ import annotations

import decimal
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import Avg, Case, Count, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Greatest
from django.db.models.lookups import Exact

from labeling import doubts
from labeling.accounts import people
from labeling.collecting import box_golds, workflow
from labeling.collecting.tasks import checks
from labeling.consensus import rounds, stopping
from labeling.models import Assignment, Consensus, Gold, Judgment, Membership, Project, Question, Task

# The end of the budget only interrupts a task.
UNDONE = Q(state=Task.State.OPEN) | Q(retired_because=Task.Because.BUDGET)


def of_project(project: Project) -> dict[str, Any]:
    """Everything that ``/stats/`` says, as JSON-able numbers."""
    behind = {row.pk for row in doubts.far_behind(project)}
    return {
        "progress": progress(project),
        "cost": cost(project),
        "retired": retired(project),
        "agreement": agreement(project),
        "boxes": workflow.figures(project) if project.in_stages else None,
        "workers": [worker(row, row.pk in behind) for row in members(project)[:500]],
    }


def progress(project: Project) -> dict[str, Any]:
    done, all_of_it = project.finished
    leased = Assignment.objects.filter(project=project, state=Assignment.State.LEASED).count()
    return {
        "images": project.image_count,
        "tasks": project.task_count,
        "retired": project.retired_count,
        "open": project.task_count - project.retired_count,
        "share": done / all_of_it if all_of_it else 0.0,
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
    likely: Iterable[int] = _to_cover(project) if project.in_stages else [ahead.judgments_to_go + insisted]
    more, *between = _with_gold(project, likely)
    finished = sum(has[Task.State.RETIRED])
    spent = sum(judgments * tasks for judgments, tasks in enumerate(has[Task.State.RETIRED]))
    return {
        "spent": str(project.spent),
        "price_per_judgment": str(project.price_per_judgment),
        "budget": None if project.budget is None else str(project.budget),
        "is_spent": project.is_spent,
        "judgments_per_task": ahead.per_task,
        "most_per_task": most,
        "judgments_saved": max(finished * most - spent, 0),
        "judgments_to_finish": more,
        "judgments_to_finish_between": between or None,
        "cost_to_finish": str((decimal.Decimal(more) * project.price_per_judgment).quantize(decimal.Decimal("0.01"))),
    }


def cut_short(*projects: Project) -> Counter[int]:
    """Id of a project whose budget is spent -> how many of its tasks that has ended before they had answers enough."""
    spent = [project.pk for project in projects if project.is_spent]
    rows = Task.objects.filter(project__in=spent, retired_because=Task.Because.BUDGET).order_by()
    return Counter(dict(rows.values_list("project").annotate(number=Count("id"))) if spent else {})


def _by_judgments(project: Project, state: str) -> list[int]:
    """[judgments]: how many tasks in this state have so many; gold is asked for its own sake.

    A task that the budget's end cut short is no task that needed so few: it counts as open, as it is again with more
    money; nor is one that a person ended before the least was asked, which counts nowhere. The drawing of a box, one
    person's whoever verifies it, says nothing here. An open task has what somebody insists on (``_insisted``) already:
    the stopping policy has a say from there on.
    """
    tasks = Task.objects.filter(project=project, is_gold=False).exclude(stage__startswith="draw:")
    if state == Task.State.OPEN:
        tasks = tasks.filter(UNDONE).annotate(said=Greatest("judgment_count", "asked_for"))
    else:
        early = Q(retired_because=Task.Because.PERSON, judgment_count__lt=project.judgments_min)
        tasks = tasks.exclude(UNDONE | early).annotate(said=F("judgment_count"))
    rows = tasks.values_list("said")
    counts = dict(rows.annotate(number=Count("id")).order_by().values_list("said", "number"))
    return [counts.get(judgments, 0) for judgments in range(max(counts, default=0) + 1)]


def _insisted(project: Project) -> int:
    """Judgments that a person or a rule asked of open tasks, however sure they are, and that are still to come."""
    rows = Task.objects.filter(UNDONE, project=project, is_gold=False)
    short = rows.filter(asked_for__gt=F("judgment_count")).aggregate(n=Sum(F("asked_for") - F("judgment_count")))
    return int(short["n"] or 0)


def _with_gold(project: Project, ahead: Iterable[int]) -> list[int]:
    """So many judgments of tasks with the answers to hidden gold that come between them, which cost as much.

    Nobody is asked about one twice: those who label here, or as many as each task needs, have only so many left.
    """
    numbers = list(ahead)
    golds = max(project.gold_count, box_golds.in_the_end(project))
    if not golds or not any(numbers):
        return numbers
    people = Membership.objects.filter(project=project, judgment_count__gt=0).values("user")
    seen = Judgment.objects.filter(task__project=project, task__gold__use=Gold.Use.HIDDEN, withdrawn_at=None)
    said = seen.filter(worker__in=people).count()
    left = golds * max(people.count(), project.judgments_min) - said
    each = project.gold_rate / (1 - project.gold_rate) if project.gold_rate < 1 else left
    return [number + round(max(min(number * each, left), 0)) for number in numbers]


class _Judgments(NamedTuple):
    likely: int
    low: int
    high: int


def _to_cover(project: Project) -> _Judgments:
    """How many judgments the images of the three stages still take: the rounds ahead of them, by what a round takes.

    A round is a box that is drawn and verified, and the question for others where it is good.
    """
    rows = Task.objects.filter(project=project, is_gold=False).exclude(stage__contains=workflow.MADE_GOLD)
    now = Case(When(UNDONE, then=Value(Task.State.OPEN.value)), default=F("state"))
    counted = rows.order_by().values_list("stage", now).annotate(n=Count("id"), said=Sum("judgment_count"))
    begun, waiting, said = Counter[int](), Counter[int](), Counter[tuple[str, str]]()
    tasks = Counter[tuple[str, str]]()
    for stage, state, number, judgments in counted:
        kind, _, turn = stage.partition(":")
        tasks[kind, state] += number
        said[kind, state] += judgments
        begun[int(turn)] += number if kind == "draw" else 0
        waiting[int(turn)] += number if state == Task.State.OPEN else 0
    last = max(begun, default=0)
    covered = [0] + [max(begun[turn] - begun[turn + 1] - waiting[turn], 0) for turn in range(1, last + 1)]
    behind = [waiting[turn + 1] for turn in range(last)]  # so many rounds are behind them
    ahead = rounds.forecast(covered=covered, waiting=behind, most=workflow.MOST_ROUNDS)
    ended = Task.State.RETIRED
    quality, coverage = (
        (said[kind, ended] + project.judgments_min) / (tasks[kind, ended] + 1) for kind in ("quality", "coverage")
    )
    good = min((tasks["coverage", ended] + tasks["coverage", "open"] + 1) / (tasks["quality", ended] + 1), 1)
    verified = tasks["quality", "open"] + tasks["coverage", "open"] * (1 + quality)  # of rounds that are under way
    had = said["quality", "open"] + said["coverage", "open"] + verified
    least = sum(waiting.values())
    return _Judgments(*(max(round(number * (1 + quality + good * coverage) - had), least) for number in ahead))


def retired(project: Project) -> dict[str, int]:
    """How many tasks retired for each reason."""
    rows = Task.objects.filter(project=project, state=Task.State.RETIRED).values_list("retired_because")
    return dict(rows.annotate(number=Count("id")).values_list("retired_because", "number"))


def agreement(project: Project) -> dict[str, Any]:
    """By question: how sure the labels are, and what the last full fit found of the crowd."""
    rows = (
        workflow.labels_of(project)
        .values(key=F("question__key"))
        .annotate(labels=Count("id"), mean_confidence=Avg("confidence"), final=Count("id", filter=Q(is_final=True)))
    )
    found: dict[str, Any] = {row["key"]: {**row} for row in rows}
    for question in project.questions.all():
        if question.key in found:
            found[question.key]["fit"] = question.fit.get("figures", {})
            found[question.key]["checks"] = checks(question)
    return found


def by_language(question: Question) -> dict[str, tuple[int, int]]:
    """Language -> of the judgments whose question was shown in it: how many there are, and how many say the label.

    Where those of one language say it less often than the others', its words may say something else. Of the newest, for
    this is read by a page. Of a task that one person has answered, that answer is the label.
    """
    said = Judgment.objects.filter(project=question.project_id, withdrawn_at=None).exclude(language="")
    newest = said.order_by("-id").values("pk")[:50_000]
    labels = Consensus.objects.filter(task=OuterRef("task"), question=question, judgment_count__gt=1)
    label = Subquery(labels.asked(question.project).values("answer")[:1])
    rows = Judgment.objects.filter(pk__in=newest, answers__has_key=question.key).annotate(label=label)
    agrees = Q(Exact(KeyTransform(question.key, "answers"), F("label")))
    found = rows.exclude(label=None).values_list("language").annotate(n=Count("id"), same=Count("id", filter=agrees))
    return {code: (judgments, agreeing) for code, judgments, agreeing in found.order_by("-n", "language")}


def members(project: Project) -> Any:
    rows = Membership.objects.filter(project=project).select_related("user")
    return rows.order_by("-judgment_count", "id")


def worker(row: Membership, is_far_behind: bool) -> dict[str, Any]:
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
        "weight": row.weight,
        "is_far_behind": is_far_behind,
    }
