"""Rules for workers, as data: what a worker's last judgments show, and what follows from it. Worker-side.

Applied in the transaction of each answer, only in projects that have rules; one query for what most of them measure. A
rule that fired looks only at what the worker has done since: a warning is not repeated with every answer, and whose
appeal was accepted is not paused again by the answers that were forgiven. Who was taken out and comes back begins anew.

Source: Toloka's quality control rules ("if accuracy on control tasks over the last n is below x, then ban").
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from django.db.models import F, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from labeling.collecting import phases, rightness, tasks
from labeling.models import Assignment, Consensus, Gold, Judgment, Membership, Project, Rule, RuleEvent
from labeling.models.told import in_words
from labeling.surveys import survey
from labeling.text.words import Told
from labeling.text.words import gettext as _

# Counts of what comes in a row; the others are of a window's worth of answers.
IN_A_ROW = {Rule.Measure.SKIPS_IN_A_ROW, Rule.Measure.SAME_IN_A_ROW}
SHARES = {Rule.Measure.GOLD_ACCURACY, Rule.Measure.AGREEMENT}
# How often rules meet by chance somebody who is right so often, within so many answers.
USUALLY_RIGHT, WITHIN = 0.85, 100
# How a lease ends by its worker's own doing.
ENDED = (Assignment.State.SUBMITTED, Assignment.State.SKIPPED, Assignment.State.WITHDRAWN)

# What an owner is offered to begin with. Of honest people, who are right on 75 to 95 % of the images, agreement below
# 50 % meets one or two in a hundred within 100 answers; below 60 % it would meet ten.
FIRST_RULES: tuple[dict[str, Any], ...] = (
    {"measure": Rule.Measure.AGREEMENT, "window": 20, "threshold": 0.5, "action": Rule.Action.PAUSE},
    {"measure": Rule.Measure.MEDIAN_SECONDS, "window": 10, "threshold": 1.0, "action": Rule.Action.PAUSE},
)


class Said(NamedTuple):
    """One of the worker's judgments, newest first."""

    task_id: int
    answers: dict[str, Any]
    seconds: float | None
    is_gold: bool
    survey_version: int
    created_at: datetime


class Record(NamedTuple):
    """What a rule looks at: what one worker has done, ``said`` newest first, since it last fired or the worker came."""

    project: Project
    worker_id: int
    said: Sequence[Said]
    since: datetime


def apply(*, project: Project, worker_id: int, task_id: int) -> list[RuleEvent]:
    """Judge the worker's record by the project's rules after an answer; returns the rules that fired."""
    if not project.rule_count:
        return []
    rules = list(Rule.objects.filter(project_id=project.pk, is_active=True).order_by("id"))
    if not rules:
        return []
    member = Membership.objects.get(project_id=project.pk, user_id=worker_id)
    said = _said(project, worker_id, max(_reach(rule) for rule in rules))
    events = RuleEvent.objects.filter(membership=member).order_by("rule_id", "-id").distinct("rule_id")
    lately = {event.rule_id: event for event in events}
    fired = []
    for rule in rules:
        last = lately.get(rule.pk)
        since = last.created_at if last is not None else member.joined_at
        record = Record(project, worker_id, [row for row in said if row.created_at > since], since)
        measured = MEASURES[rule.measure](record, rule)
        if measured is not None and _is_met(rule, measured) and not _fired_lately(rule, member, last):
            fired.append(_act(rule, member, measured, task_id, record))
    return fired


def _reach(rule: Rule) -> int:
    """How far back the rule looks: its window, or as far as a row has to go."""
    return max(rule.window, ceil(rule.threshold)) if rule.measure in IN_A_ROW else rule.window


def _judgments(project: Project, worker_id: int) -> QuerySet[Judgment]:
    rows = Judgment.objects.filter(project_id=project.pk, worker_id=worker_id, withdrawn_at=None, source="worker")
    return rows.order_by("-id")


def _said(project: Project, worker_id: int, window: int) -> list[Said]:
    # Some of them are gold, and others nobody else has answered: look far enough back to find a window's worth.
    return [Said(*row) for row in _judgments(project, worker_id).values_list(*Said._fields)[: window * 3]]


def _is_met(rule: Rule, measured: float) -> bool:
    return measured < rule.threshold if rule.comparison == Rule.Comparison.BELOW else measured >= rule.threshold


def _fired_lately(rule: Rule, member: Membership, last: RuleEvent | None) -> bool:
    """Whether there are fewer new judgments than the window holds; a new row of skips has none, and is its own."""
    if last is None or (rule.measure in IN_A_ROW and rule.comparison == Rule.Comparison.AT_LEAST):
        return False
    return member.judgment_count - last.judgment_count < rule.window


def _gold_accuracy(record: Record, rule: Rule) -> float | None:
    """The share of the last ``window`` gold answers that were right; None before there are so many.

    They are looked for by themselves: where one task in fifty is gold they reach far back. Nothing but another one
    changes what they say. Practice teaches and is not measured, and a check measures labels.
    """
    if not record.said or not record.said[0].is_gold:
        return None
    rows = _judgments(record.project, record.worker_id).filter(is_gold=True)
    rows = rows.exclude(task__gold__use__in=[Gold.Use.PRACTICE, Gold.Use.CHECK]).filter(created_at__gt=record.since)
    last = list(rows.values_list(*Said._fields, "task__gold__answers")[: rule.window])
    if len(last) < rule.window:
        return None
    right = [_is_right(record.project, Said(*said), known) for *said, known in last if known is not None]
    return sum(right) / len(right) if right else None


def _agreement(record: Record, rule: Rule) -> float | None:
    """The share of the last ``window`` answers that are the consensus, where others have answered too.

    By what the worker was asked and said: who rightly said no was not asked how many there are, and nobody has to
    remark what others do. What the labels of others rule out is no label.
    """
    last = [row for row in record.said if not row.is_gold]
    found: dict[int, dict[str, Any]] = {}
    rows = Consensus.objects.filter(task_id__in=[row.task_id for row in last], judgment_count__gte=2)
    rows = rows.exclude(question__kind="text", question__required=False).asked(record.project)
    for task_id, key, answer in rows.values_list("task_id", "question__key", "answer"):
        found.setdefault(task_id, {})[key] = answer
    beside = ((row, found.get(row.task_id, {})) for row in last)
    told = ((row, {key: known[key] for key in known.keys() & row.answers.keys()}) for row, known in beside)
    shared = [(row, known) for row, known in told if known][: rule.window]
    if len(shared) < rule.window:
        return None
    return sum(_is_right(record.project, row, known) for row, known in shared) / len(shared)


def _is_right(project: Project, row: Said, known: dict[str, Any]) -> bool:
    """By the questions that the worker's form asked."""
    return rightness.is_right(row.answers, survey.answerable(project.pk, row.survey_version, known))


def _median_seconds(record: Record, rule: Rule) -> float | None:
    last = [row.seconds for row in record.said[: rule.window] if row.seconds is not None]
    return statistics.median(last) if len(last) >= rule.window else None


def _same_in_a_row(record: Record, rule: Rule) -> float | None:
    """How many of the newest answers are the same as the newest."""
    said = record.said
    if not said:
        return None
    first = json.dumps(said[0].answers, sort_keys=True)
    for number, row in enumerate(said):
        if json.dumps(row.answers, sort_keys=True) != first:
            return float(number)
    return float(len(said))


def _skips_in_a_row(record: Record, rule: Rule) -> float | None:
    """How many of the newest leases that ended were skipped."""
    rows = Assignment.objects.filter(project_id=record.project.pk, worker_id=record.worker_id, state__in=ENDED)
    rows = rows.filter(created_at__gt=record.since).order_by("-created_at")
    states = rows.values_list("state", flat=True)[: _reach(rule)]
    skipped = [state == Assignment.State.SKIPPED for state in states]
    return float(skipped.index(False) if False in skipped else len(skipped))


MEASURES: dict[str, Callable[[Record, Rule], float | None]] = {
    Rule.Measure.GOLD_ACCURACY: _gold_accuracy,
    Rule.Measure.AGREEMENT: _agreement,
    Rule.Measure.MEDIAN_SECONDS: _median_seconds,
    Rule.Measure.SKIPS_IN_A_ROW: _skips_in_a_row,
    Rule.Measure.SAME_IN_A_ROW: _same_in_a_row,
}


def first_look(rule: Rule) -> int | None:
    """After about how many answers the rule first looks at a person; 0 where it never can, for there is too little gold
    or none is asked; None where it looks at no gold, or at that of the test alone.
    """
    if rule.measure != Rule.Measure.GOLD_ACCURACY:
        return None
    tests = Gold.objects.filter(task__project=rule.project_id, use=Gold.Use.QUALIFICATION).count()
    wanted = rule.window - tests
    if wanted <= 0:
        return None
    rate = rule.project.gold_rate
    return ceil(wanted / rate) if rate and wanted <= rule.project.gold_count else 0


def offered(project: Project, rules: Iterable[Rule]) -> list[Rule]:
    """The first rules that the project lacks, until its owner makes others."""
    there, first = {rule.measure for rule in rules}, {values["measure"] for values in FIRST_RULES}
    return [Rule(project=project, **values) for values in FIRST_RULES if there <= first - {values["measure"]}]


def in_units(rule: Rule, number: float) -> str:
    """A number of what the rule measures as people read it: a share as a percentage."""
    return f"{number * 100:.4g}\u202f%" if rule.measure in SHARES else f"{number:.4g}"


def by_chance(rule: Rule) -> float | None:
    """The share of people as good as most whom the rule meets by chance; None where it measures no such thing."""
    if rule.measure not in SHARES or rule.comparison != Rule.Comparison.BELOW or rule.window > WITHIN:
        return None
    return _met_by_chance(rule.window, rule.threshold)


@lru_cache(maxsize=256)
def _met_by_chance(window: int, threshold: float) -> float:
    """By 4,000 drawn people, the same each time."""
    right = np.random.default_rng(0).random((4000, WITHIN)) < USUALLY_RIGHT
    said = np.pad(right.cumsum(axis=1), ((0, 0), (1, 0)))
    shares = (said[:, window:] - said[:, :-window]) / window
    return float((shares < threshold).any(axis=1).mean())


def _act(rule: Rule, member: Membership, measured: float, task_id: int, record: Record) -> RuleEvent:
    """Do what the rule says, and write down that it did."""
    why = rule.message or _why(rule, measured)
    changes: dict[str, Any] = {}
    if rule.action == Rule.Action.OVERLAP:
        tasks.open_more_of(task_ids=_looked_at(rule, task_id, record), count=int(rule.value or 1))
    else:
        changes = _changes(rule, member, why)
        Membership.objects.filter(pk=member.pk).update(**changes)
    if "phase" in changes:
        _end_leases(member)
    told = _("%(measure)s (%(measured)s) %(comparison)s %(threshold)s: %(action)s")
    if rule.action == Rule.Action.TRAIN and "phase" not in changes:
        told = _("%(measure)s (%(measured)s) %(comparison)s %(threshold)s: warned, for no practice is left to do")
    return RuleEvent.objects.create(
        rule=rule,
        membership=member,
        description=told
        % {
            "measure": in_words(Rule.Measure(rule.measure).label),
            "measured": in_units(rule, measured),
            "comparison": in_words(Rule.Comparison(rule.comparison).label),
            "threshold": in_units(rule, rule.threshold),
            "action": in_words(Rule.Action(rule.action).label),
        },
        measured=measured,
        judgment_count=member.judgment_count,
    )


def _why(rule: Rule, measured: float) -> str:
    """What the worker reads where the owner has written nothing: what was found, and what to do about it."""
    values = {
        "measure": in_words(Rule.Measure(rule.measure).label),
        "window": rule.window,
        "measured": measured,
        "told": in_units(rule, measured),
        "percent": floor(round(measured * 100, 6)),
        "least": ceil(round(rule.threshold * 100, 6)),
    }
    generic = _("%(measure)s over the last %(window)s: %(told)s.")
    return _advice().get((rule.measure, rule.comparison), generic) % values


def _advice() -> dict[tuple[str, str], Told]:
    """By what is measured and how it is compared; no sentence for a rule that looks the other way, as for who agrees
    too often.
    """
    below, at_least = Rule.Comparison.BELOW, Rule.Comparison.AT_LEAST
    return {
        (Rule.Measure.GOLD_ACCURACY, below): _(
            "Of your last %(window)s answers that could be checked, %(percent)d %% were right; %(least)d %% are asked "
            "for. The instructions and the examples show what counts."
        ),
        (Rule.Measure.AGREEMENT, below): _(
            "Of your last %(window)s answers, %(percent)d %% are what others see, too; %(least)d %% are asked for. The "
            "instructions and the examples show what counts."
        ),
        (Rule.Measure.MEDIAN_SECONDS, below): _(
            "Half of your last %(window)s answers took %(measured).1f seconds or less. Please look at each image a "
            "little longer."
        ),
        (Rule.Measure.SKIPS_IN_A_ROW, at_least): _(
            "Skipped in a row: %(measured)d. Where something is unclear or does not load, choose that as the reason: "
            "the owner reads it."
        ),
        (Rule.Measure.SAME_IN_A_ROW, at_least): _(
            "Same answer in a row: %(measured)d. That is rare: please look at each image anew."
        ),
    }


def _looked_at(rule: Rule, task_id: int, record: Record) -> list[int]:
    """The tasks whose answers the rule has measured, and this one."""
    said = () if rule.measure == Rule.Measure.SKIPS_IN_A_ROW else record.said[: _reach(rule)]
    return [task_id, *(row.task_id for row in said)]


def _has_practice(member: Membership) -> bool:
    """Whether there is practice that this worker can do: what is left of it, else all of it once more."""
    practice = Gold.objects.filter(task__project_id=member.project_id, use=Gold.Use.PRACTICE)
    if practice.exclude(pk__in=phases.seen(practice, member.user_id)).exists():
        return True
    return phases.practise_again(project_id=member.project_id, worker_id=member.user_id)


def _end_leases(member: Membership) -> None:
    """Practice comes first: what the worker holds is over, as after its time, so an answer on its way still counts."""
    held = Assignment.objects.select_for_update(skip_locked=True).filter(
        project_id=member.project_id, worker_id=member.user_id, state=Assignment.State.LEASED
    )
    Assignment.objects.filter(pk__in=[lease.pk for lease in held]).update(expires_at=timezone.now())


def _changes(rule: Rule, member: Membership, why: str) -> dict[str, Any]:
    if rule.action == Rule.Action.PAUSE:
        return {"is_paused": True, "paused_because": why, "paused_at": timezone.now()}
    if rule.action == Rule.Action.TRAIN and _has_practice(member):
        return {"phase": Membership.Phase.PRACTICE, "warning": why}
    if rule.action == Rule.Action.WEIGHT:
        return {"weight": F("weight") if rule.value is None else Least(F("weight"), rule.value), "warning": why}
    return {"warning": why}
