"""Where a label comes from: who, what, when, how long, which survey version, which rule."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from labeling import audit, charts
from labeling.accounts import people
from labeling.charts.chart import slot
from labeling.collecting import workflow
from labeling.models import (
    Assignment,
    AuditEntry,
    Consensus,
    Gold,
    Image,
    Judgment,
    Membership,
    Project,
    Question,
    Task,
)
from labeling.views.owner.answers import Side, is_taken, names_of, offered, say, say_method, sides

MOST_ACTS = 50
SHORT = 9  # as many as a person sees at once


@dataclass(frozen=True)
class Verdict:
    """One question of a task: the consensus, how sure, the answers that led to it, and those that gold may have."""

    question: Question
    text: str
    consensus: Consensus | None
    posterior: list[tuple[str, float]]
    sides: list[Side]
    method: str = ""
    golds: list[Side] = field(default_factory=list)
    is_ruled_out: bool = False

    @property
    def show_if(self) -> str:
        """The question's condition, as a page reads it."""
        return json.dumps(self.question.show_if) if self.question.show_if else ""


@dataclass(frozen=True)
class Act:
    """What somebody did with a task beside answering it: decided it, asked more people, made it gold."""

    entry: AuditEntry
    action: Any
    answers: list[tuple[str, str]]


@dataclass(frozen=True)
class Story:
    """One task of a picture. ``judgments`` are (judgment, [(question, answer)], the worker's membership)."""

    task: Task
    gold: Gold | None
    gold_answers: list[tuple[str, str]]
    verdicts: list[Verdict]
    judgments: list[tuple[Judgment, list[tuple[str, str]], Membership | None]]
    others: list[Assignment]
    acts: list[Act] = field(default_factory=list)
    overlay: SafeString | str = ""
    groups: list[charts.Legend] = field(default_factory=list)

    @property
    def is_told_decided(self) -> bool:
        """Whether who decided is told already: the task's end, as its time, may be that of the crowd before."""
        return self.task.retired_because == Task.Because.PERSON and bool(self.acts)

    @property
    def has_golds(self) -> bool:
        return any(verdict.golds for verdict in self.verdicts)


def story(project: Project, image: Image) -> list[Story]:
    """Every task of the picture, with a number of queries that does not grow with the judgments."""
    tasks = list(Task.objects.filter(image=image).order_by("id"))
    questions = list(project.questions.order_by("position", "id"))
    names = {q.key: names_of(q) for q in questions}
    judgments = list(Judgment.objects.filter(task__in=tasks).select_related("worker").order_by("id"))
    stored = Consensus.objects.filter(task__in=tasks)
    asked_still = set(stored.asked(project).values_list("pk", flat=True))
    said = list(stored.select_related("decided_by"))
    golds = {gold.task_id: gold for gold in Gold.objects.filter(task__in=tasks)}
    workers = {j.worker_id for j in judgments}
    members = {m.user_id: m for m in Membership.objects.filter(project=project, user__in=workers)}
    left = Assignment.objects.filter(task__in=tasks).exclude(state=Assignment.State.SUBMITTED).select_related("worker")
    others = list(left.order_by("created_at"))
    acts = AuditEntry.objects.filter(project=project, changes__task__in=[task.pk for task in tasks])
    entries = list(acts.select_related("user").order_by("id")[:MOST_ACTS])
    found = []
    for task in tasks:
        mine = [j for j in judgments if j.task_id == task.pk]
        stage = task.stage.partition(":")[0]
        asked = [q for q in questions if q.stage == stage] or questions
        gold = golds.get(task.pk)
        drawing, groups = _drawing(
            image, task, asked, mine, [c for c in said if c.task_id == task.pk and c.pk in asked_still]
        )
        found.append(
            Story(
                task=task,
                gold=gold,
                gold_answers=in_order(gold.answers, asked, names) if gold else [],
                verdicts=[_verdict(q, mine, said, task, names[q.key], asked_still) for q in asked],
                judgments=[(j, in_order(j.answers, asked, names), members.get(j.worker_id)) for j in mine],
                others=[a for a in others if a.task_id == task.pk],
                acts=[_act(entry, asked, names) for entry in entries if entry.changes["task"] == task.pk],
                overlay=drawing,
                groups=groups,
            )
        )
    if project.in_stages and found:
        found[0] = _as_it_stands(image, found, said)
    return found


def _act(entry: AuditEntry, asked: list[Question], names: dict[str, dict[str, str]]) -> Act:
    answers = entry.changes.get("answers")
    answers = answers[-1] if isinstance(answers, list) and answers else answers  # before and after
    told = in_order(answers, asked, names) if isinstance(answers, dict) else []
    return Act(entry, audit.ACTIONS.get(entry.action, entry.action), told)


def _as_it_stands(image: Image, found: list[Story], said: list[Consensus]) -> Story:
    """The first task of the three stages with what is known of the image by now: its own box is only the beginning."""
    stages = [story.task for story in found if workflow.MADE_GOLD not in story.task.stage]
    # One that is open again after a decision was taken back, else the latest.
    last = next((task for task in stages if task.state == Task.State.OPEN), stages[-1])
    if last.pk == found[0].task.pk or any(row.method == workflow.METHOD and row.is_final for row in said):
        return found[0]
    drawn, legend = _over(image, _carried(last, _("Waits for its verdict")))
    return replace(found[0], overlay=drawn, groups=legend)


def _carried(task: Task, judged: str) -> list[charts.BoxGroup]:
    """What a task of the three stages carries: the boxes accepted before it, and the one that it is about."""
    candidate = task.payload.get("candidate")
    groups = [
        charts.BoxGroup(_("Accepted so far"), task.payload.get("boxes", []), strong=True),
        charts.BoxGroup(judged, [candidate] if candidate else []),
    ]
    return [group for group in groups if group.boxes]


def in_order(answers: dict[str, Any], asked: list[Question], names: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """The answers in words, in the order of the questions; questions that are gone come last."""
    order = [q.key for q in asked if q.key in answers] + [key for key in answers if key not in names]
    return [(key, say(answers[key], names.get(key, {}))) for key in order]


def _verdict(
    question: Question,
    judgments: list[Judgment],
    said: list[Consensus],
    task: Task,
    names: dict[str, str],
    asked_still: set[int],
) -> Verdict:
    consensus = next((c for c in said if c.task_id == task.pk and c.question_id == question.pk), None)
    live = [j for j in judgments if j.withdrawn_at is None]
    given = sides(question, live, consensus.answer if consensus else None, names)
    posterior = sorted((consensus.posterior if consensus else {}).items(), key=lambda item: -item[1])[:8]
    return Verdict(
        question=question,
        text=say(consensus.answer, names) if consensus else "",
        consensus=consensus,
        posterior=[(say(key, names), share) for key, share in posterior],
        sides=given,
        method=say_method(consensus) if consensus else "",
        is_ruled_out=consensus is not None and consensus.pk not in asked_still,
        golds=_golds(
            [side for side in given if is_taken(question, side.answer, names)],
            [Side(answer, text, [], 0.0, False) for answer, text in offered(question, names)],
        ),
    )


def _golds(given: list[Side], others: list[Side]) -> list[Side]:
    """What the question offers, in its order, so that a scale stays one; before a long list, what was answered."""
    answers = [side.answer for side in others]
    if len(others) > SHORT:
        return [*given, *(side for side in others if side.answer not in [one.answer for one in given])]
    return [*others, *(side for side in given if side.answer not in answers)]


def _drawing(
    image: Image, task: Task, asked: list[Question], judgments: list[Judgment], said: list[Consensus]
) -> tuple[SafeString | str, list[charts.Legend]]:
    """The boxes of everybody and of the consensus, over the picture; else those that the task asks about."""
    question = next((q for q in asked if q.kind == "boxes"), None)
    if question is None:
        return (
            _over(image, _carried(task, _("Judged here"))) if task.payload.keys() & {"boxes", "candidate"} else ("", [])
        )
    groups = []
    for consensus in said:
        if consensus.question_id == question.pk and isinstance(consensus.answer, list):
            groups.append(charts.BoxGroup(_("Consensus"), consensus.answer, strong=True))
    for judgment in judgments:
        answer = judgment.answers.get(question.key)
        if isinstance(answer, list) and judgment.withdrawn_at is None:
            groups.append(charts.BoxGroup(people.name_of(judgment.worker), answer))
    return _over(image, groups)


def _over(image: Image, groups: list[charts.BoxGroup]) -> tuple[SafeString | str, list[charts.Legend]]:
    drawn = charts.overlay(image.width, image.height, groups, name=_("Boxes of all workers"))
    return mark_safe(drawn), [charts.Legend(group.name, slot(i)) for i, group in enumerate(groups)]
