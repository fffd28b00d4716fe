"""Rules for workers, as data: what a worker's last judgments show, and what follows from it. Worker-side.

Applied in the transaction of each answer, only in projects that have rules; one query for what all of them measure. A
rule that fired does not fire again for the same worker before as many new judgments as its window holds, so a warning
is not repeated with every answer.

Source: Toloka's quality control rules ("if accuracy on control tasks over the last n is below x, then ban").
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db.models import F
from django.utils import timezone

from labeling.collecting import golds, tasks
from labeling.models import Assignment, Consensus, Gold, Judgment, Membership, Project, Rule, RuleEvent
from labeling.models.told import in_words
from labeling.surveys import survey
from labeling.words import gettext as _

MOST_WINDOW = 500
# How a lease ends by its worker's own doing.
ENDED = (Assignment.State.SUBMITTED, Assignment.State.SKIPPED, Assignment.State.WITHDRAWN)


class Said(NamedTuple):
    """One of the worker's judgments, newest first."""

    task_id: int
    answers: dict[str, Any]
    seconds: float | None
    is_gold: bool
    survey_version: int


def apply(*, project: Project, worker_id: int, task_id: int) -> list[RuleEvent]:
    """Judge the worker's record by the project's rules after an answer; returns the rules that fired."""
    if not project.rule_count:
        return []
    rules = list(Rule.objects.filter(project_id=project.pk, is_active=True).order_by("id"))
    if not rules:
        return []
    member = Membership.objects.get(project_id=project.pk, user_id=worker_id)
    window = min(max(rule.window for rule in rules), MOST_WINDOW)
    said = _said(project, worker_id, window)
    fired = []
    for rule in rules:
        measured = MEASURES[rule.measure](project, worker_id, said, rule.window)
        if measured is not None and _is_met(rule, measured) and not _fired_lately(rule, member):
            fired.append(_act(rule, member, measured, task_id))
    return fired


def _said(project: Project, worker_id: int, window: int) -> list[Said]:
    rows = Judgment.objects.filter(project_id=project.pk, worker_id=worker_id, withdrawn_at=None, source="worker")
    # Gold is rare among them: look far enough back to find a window's worth of it.
    newest = rows.order_by("-id").values_list("task_id", "answers", "seconds", "is_gold", "survey_version")
    return [Said(*row) for row in newest[: window * 10]]


def _is_met(rule: Rule, measured: float) -> bool:
    return measured < rule.threshold if rule.comparison == Rule.Comparison.BELOW else measured >= rule.threshold


def _fired_lately(rule: Rule, member: Membership) -> bool:
    last = RuleEvent.objects.filter(rule=rule, membership=member).order_by("-id").values_list("judgment_count").first()
    return last is not None and member.judgment_count - last[0] < rule.window


def _gold_accuracy(project: Project, worker_id: int, said: Sequence[Said], window: int) -> float | None:
    """The share of the last ``window`` gold answers that were right; None before there are so many."""
    last = [row for row in said if row.is_gold][:window]
    if len(last) < window:
        return None
    known = dict(Gold.objects.filter(task_id__in=[row.task_id for row in last]).values_list("task_id", "answers"))
    right = [_is_right(project, row, known[row.task_id]) for row in last if row.task_id in known]
    return sum(right) / len(right) if right else None


def _agreement(project: Project, worker_id: int, said: Sequence[Said], window: int) -> float | None:
    """The share of the last ``window`` answers that are the consensus, where others have answered too."""
    last = [row for row in said if not row.is_gold][: window * 3]
    found: dict[int, dict[str, Any]] = {}
    rows = Consensus.objects.filter(task_id__in=[row.task_id for row in last], judgment_count__gte=2)
    for task_id, key, answer in rows.values_list("task_id", "question__key", "answer"):
        found.setdefault(task_id, {})[key] = answer
    shared = [row for row in last if row.task_id in found][:window]
    if len(shared) < window:
        return None
    return sum(_is_right(project, row, found[row.task_id]) for row in shared) / len(shared)


def _is_right(project: Project, row: Said, known: dict[str, Any]) -> bool:
    """By the questions that the worker's form asked."""
    return golds.is_right(row.answers, survey.answerable(project.pk, row.survey_version, known))


def _median_seconds(project: Project, worker_id: int, said: Sequence[Said], window: int) -> float | None:
    last = [row.seconds for row in said[:window] if row.seconds is not None]
    return statistics.median(last) if len(last) >= window else None


def _same_in_a_row(project: Project, worker_id: int, said: Sequence[Said], window: int) -> float | None:
    """How many of the newest answers are the same as the newest."""
    if not said:
        return None
    first = json.dumps(said[0].answers, sort_keys=True)
    for number, row in enumerate(said):
        if json.dumps(row.answers, sort_keys=True) != first:
            return float(number)
    return float(len(said))


def _skips_in_a_row(project: Project, worker_id: int, said: Sequence[Said], window: int) -> float | None:
    """How many of the newest leases that ended were skipped."""
    rows = Assignment.objects.filter(project_id=project.pk, worker_id=worker_id, state__in=ENDED)
    states = rows.order_by("-created_at").values_list("state", flat=True)[: window + 1]
    skipped = [state == Assignment.State.SKIPPED for state in states]
    return float(skipped.index(False) if False in skipped else len(skipped))


MEASURES: dict[str, Callable[[Project, int, Sequence[Said], int], float | None]] = {
    Rule.Measure.GOLD_ACCURACY: _gold_accuracy,
    Rule.Measure.AGREEMENT: _agreement,
    Rule.Measure.MEDIAN_SECONDS: _median_seconds,
    Rule.Measure.SKIPS_IN_A_ROW: _skips_in_a_row,
    Rule.Measure.SAME_IN_A_ROW: _same_in_a_row,
}


def _act(rule: Rule, member: Membership, measured: float, task_id: int) -> RuleEvent:
    """Do what the rule says, and write down that it did."""
    why = rule.message or _("%(measure)s over the last %(window)s is %(measured).2f.") % {
        "measure": in_words(Rule.Measure(rule.measure).label), "window": rule.window, "measured": measured,
    }  # fmt: skip
    if rule.action == Rule.Action.OVERLAP:
        tasks.open_more(task_id=task_id, count=int(rule.value or 1), insists=True)
    else:
        changes = _changes(rule, member, why)
        Membership.objects.filter(pk=member.pk).update(**changes)
    return RuleEvent.objects.create(
        rule=rule,
        membership=member,
        description=_("%(measure)s (%(measured).3g) %(comparison)s %(threshold)g: %(action)s")
        % {
            "measure": in_words(Rule.Measure(rule.measure).label),
            "measured": measured,
            "comparison": in_words(Rule.Comparison(rule.comparison).label),
            "threshold": rule.threshold,
            "action": in_words(Rule.Action(rule.action).label),
        },
        measured=measured,
        judgment_count=member.judgment_count,
    )


def _has_practice_left(member: Membership) -> bool:
    """Whether there is practice that this worker has not done: without it a worker would wait for ever."""
    practice = Gold.objects.filter(task__project_id=member.project_id, use=Gold.Use.PRACTICE)
    done = Judgment.objects.filter(project_id=member.project_id, worker_id=member.user_id, withdrawn_at=None)
    return practice.exclude(task_id__in=done.values("task_id")).exists()


def _changes(rule: Rule, member: Membership, why: str) -> dict[str, Any]:
    if rule.action == Rule.Action.PAUSE:
        return {"is_paused": True, "paused_because": why, "paused_at": timezone.now()}
    if rule.action == Rule.Action.TRAIN and _has_practice_left(member):
        return {"phase": Membership.Phase.PRACTICE, "warning": why}
    if rule.action == Rule.Action.WEIGHT:
        return {"weight": rule.value if rule.value is not None else F("weight"), "warning": why}
    return {"warning": why}
