"""Making a task's answer known: gold that hides among real tasks, practice, or the qualification test. Worker-side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from labeling import webhooks
from labeling.aggregation.combine import label_of
from labeling.collecting import phases, rightness, tasks
from labeling.errors import CrowdtuneError
from labeling.models import Consensus, Gold, Image, Judgment, Membership, Project, Task
from labeling.surveys import survey
from labeling.text.spellings import is_storable, spellings
from labeling.text.words import gettext as _
from labeling.text.words import tell

GOLD_METHOD = "gold"
MOST_POSITION = 2**31 - 1  # what its column holds
# Whose answers count in a worker's record; practice shows what is right, and a check is for labels.
MEASURING = {Gold.Use.HIDDEN, Gold.Use.QUALIFICATION}


def normal(project: Project, value: Any) -> dict[str, Any]:
    """What an owner wrote -> ``{"answers", "use", "explanation"}``.

    ``"cat"`` answers the only (or primary) question; ``{"category": "cat"}`` answers by key;
    ``{"answers": {…}, "use": "practice", "explanation": "…"}`` says everything.
    """
    entry: dict[str, Any] = {"use": Gold.Use.HIDDEN, "explanation": ""}
    if isinstance(value, Mapping) and "answers" in value:
        entry.update({name: value[name] for name in ("use", "explanation", "position") if name in value})
        value = value["answers"]
    if not isinstance(value, Mapping):
        asked = survey.current(project).at(tasks.first_stage(project))
        primary = next((q.key for q in asked if q.statistic == "class"), asked[0].key)
        value = {primary: value}
    if entry["use"] not in Gold.Use.values:
        raise CrowdtuneError(
            "bad_gold",
            _("use must be one of %(values)s; got %(use)s.")
            % {"values": ", ".join(Gold.Use.values), "use": repr(entry["use"])},
        )
    position, explanation = entry.get("position", 0), entry["explanation"]
    if isinstance(position, bool) or not isinstance(position, int) or not 0 <= position <= MOST_POSITION:
        raise CrowdtuneError(
            "bad_gold", _("position must be a whole number from 0 on; got %(value)s.") % {"value": f"{position!r:.40}"}
        )
    if not isinstance(explanation, str) or not is_storable(explanation):
        raise CrowdtuneError(
            "bad_gold", _("explanation must be text; got %(value)s.") % {"value": f"{explanation!r:.40}"}
        )
    return {**entry, "answers": dict(value)}


def check(project: Project, gold: Any) -> dict[str, Any]:
    """Gold answers by file name, each checked against the survey.

    Raises:
        CrowdtuneError: bad_gold, with the reason under each file's name.
    """
    if not isinstance(gold, Mapping):
        raise CrowdtuneError(
            "bad_gold",
            _("Expected {file name: answer}, got %(gold)s.") % {"gold": f"{gold!r:.80}"},
            field="gold",
        )
    checked, problems = {}, {}
    for name, value in gold.items():
        try:
            entry = normal(project, value)
            if not is_storable(name):
                raise CrowdtuneError("bad_gold", _("No file has this name."))
            _known(project, entry["answers"], None)
            checked[name] = entry
        except CrowdtuneError as error:
            problems[name] = error.message
    if problems:
        name, why = next(iter(problems.items()))
        raise CrowdtuneError("bad_gold", tell("%(name)s: %(why)s", {"name": name, "why": why}), fields=problems)
    return checked


def _known(project: Project, answers: dict[str, Any], image: Image | None, stage: str | None = None) -> dict[str, Any]:
    """Gold may leave questions out, so each answer is checked by itself."""
    questions = {q.key: q for q in survey.current(project).at(stage or tasks.first_stage(project))}
    if not answers:
        raise CrowdtuneError("bad_gold", _("Say the answer of at least one question."))
    checked = {}
    for key, answer in answers.items():
        if key not in questions:
            raise CrowdtuneError("bad_gold", _("There is no question %(key)s.") % {"key": repr(key)})
        try:
            width, height = (image.width, image.height) if image else (None, None)
            checked[key] = questions[key].in_full().check(answer, width, height)
        except ValueError as error:
            raise CrowdtuneError("bad_gold", tell("%(name)s: %(why)s", {"name": key, "why": error.args[0]})) from error
    return checked


def mark(*, task: Task, project: Project, entry: dict[str, Any], source: str) -> Gold:
    """Make the task's answer known: it leaves the queue, and its consensus is the known answer. The questions that this
    leaves out are labeled by what people say of the task, as it comes.

    Raises:
        CrowdtuneError: bad_gold.
    """
    return _mark([(task, entry)], project, source)[0]


def mark_all(*, entries: Sequence[tuple[Task, dict[str, Any]]], project: Project, source: str) -> None:
    """Make answers of tasks, which the caller has locked, known beside what is known of other questions. What is known
    of a task already stays what it is for, as practice or a check.

    Raises:
        CrowdtuneError: bad_gold.
    """
    _mark(entries, project, source, adds=True)


@transaction.atomic
def _mark(
    entries: Sequence[tuple[Task, dict[str, Any]]], project: Project, source: str, *, adds: bool = False
) -> list[Gold]:
    """In as many statements for many tasks as for one."""
    known = {task.pk: _known(project, entry["answers"], task.image, task.stage) for task, entry in entries}
    rows = Task.objects.filter(pk__in=known)
    states = dict(rows.order_by("pk").select_for_update().values_list("pk", "state"))
    old = {gold.task_id: gold for gold in Gold.objects.filter(task__in=known)}
    golds = []
    for task, entry in entries:
        before = old.get(task.pk) if adds else None
        answers = {**before.answers, **known[task.pk]} if before else known[task.pk]
        told: dict[str, Any] = entry
        if before:
            told = {"use": before.use, "explanation": before.explanation, "position": before.position}
        if told["use"] == Gold.Use.CHECK and states[task.pk] == Task.State.OPEN:
            _refuse_check(project, task.stage, answers)
        gold = Gold(task=task, answers=answers, use=told["use"], source=source)
        gold.explanation, gold.position = told.get("explanation", ""), told.get("position", 0)
        golds.append(gold)
    _measure_anew(project, old, golds)
    written = ["answers", "use", "explanation", "position", "source"]
    Gold.objects.bulk_create(golds, update_conflicts=True, unique_fields=["task"], update_fields=written)
    rows.update(
        state=Task.State.RETIRED,
        retired_because=Task.Because.GOLD,
        retired_at=timezone.now(),
        open_slots=0,
        is_gold=True,
    )
    _forget_unsaid(golds, old)
    _write_consensus(project, known)
    phases.look_again(project)
    hidden = sum(gold.use == Gold.Use.HIDDEN for gold in golds)
    was_hidden = sum(gold.use == Gold.Use.HIDDEN for gold in old.values())
    _note(project, [pk for pk, state in states.items() if state == Task.State.OPEN], hidden - was_hidden)
    return golds


def _refuse_check(project: Project, stage: str, answers: Mapping[str, Any]) -> None:
    """Nobody is asked about a check, so it would end what people are still asked of an open task's image.

    Raises:
        CrowdtuneError: still_asked.
    """
    if project.in_stages or any(question.key not in answers for question in survey.current(project).at(stage)):
        message = _(
            "People are still asked other questions about this image, which a check would end. Say what is right of all"
            " of them, or wait until the task is closed."
        )
        raise CrowdtuneError("still_asked", message, 409)


def _note(project: Project, retired: Sequence[int], more_hidden: int) -> None:
    """Tell the project's row, which whoever answers waits for: last, and once.

    By the difference: a count of all would make the import of many quadratic.
    """
    webhooks.tell_retired(project=project, reasons=dict.fromkeys(retired, Task.Because.GOLD))
    Project.objects.filter(pk=project.pk).update(
        answers_version=F("answers_version") + 1,
        gold_count=F("gold_count") + more_hidden,
        retired_count=F("retired_count") + len(retired),
    )


def _forget_unsaid(golds: Sequence[Gold], old: Mapping[int, Gold]) -> None:
    """What was known of a question before, and is not any more; the fit that follows labels it by what was said."""
    for gold in golds:
        if gold.task_id in old and (gone := old[gold.task_id].answers.keys() - gold.answers.keys()):
            rows = Consensus.objects.filter(task=gold.task_id, question__key__in=gone, method=GOLD_METHOD)
            rows.delete()


def forget(*, project: Project, task_ids: Sequence[int]) -> None:
    """What was taken for the answer to these tasks is not known any more, and nobody is measured by it."""
    Task.objects.filter(pk__in=task_ids).update(is_gold=False)  # and locked, before what is known of them
    _measure(project, Gold.objects.filter(task__in=task_ids), -1)
    Gold.objects.filter(task__in=task_ids).delete()
    Consensus.objects.filter(task__in=task_ids, method=GOLD_METHOD).delete()


def _measure_anew(project: Project, old: Mapping[int, Gold], golds: Sequence[Gold]) -> None:
    """What people said of gold that says something else now, or is for something else, counts as it says now."""
    changed = [gold for gold in golds if _measured(gold) != _measured(old.get(gold.task_id))]
    _measure(project, [old[gold.task_id] for gold in changed if gold.task_id in old], -1)
    _measure(project, changed, 1)


def _measured(gold: Gold | None) -> dict[str, Any] | None:
    return gold.answers if gold is not None and gold.use in MEASURING else None


def _measure(project: Project, golds: Iterable[Gold], sign: int) -> None:
    """Count what people said of this gold, where it measures them, in their records (1), or take it out (-1)."""
    known = {gold.task_id: gold.answers for gold in golds if gold.use in MEASURING}
    seen, right = Counter[int](), Counter[int]()
    for said in Judgment.objects.filter(task__in=known, is_gold=True, source="worker", withdrawn_at=None):
        if answers := survey.answerable(project.pk, said.survey_version, known[said.task_id]):
            seen[said.worker_id] += sign
            right[said.worker_id] += sign * rightness.is_right(said.answers, answers)
    for worker_id in sorted(seen):
        Membership.objects.filter(project=project, user_id=worker_id).update(
            gold_seen=Greatest(F("gold_seen") + seen[worker_id], 0),
            gold_right=Greatest(F("gold_right") + right[worker_id], 0),
        )


def count(project: Project) -> None:
    """Bring the project's number of hidden gold tasks up to date; its row first, or another's number would be lost."""
    # As an update locks it: who adds to the project, and may wait for a task of ours, goes on.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    hidden = Gold.objects.filter(task__project=project, use=Gold.Use.HIDDEN).count()
    Project.objects.filter(pk=project.pk).update(gold_count=hidden)


def _write_consensus(project: Project, known: Mapping[int, Mapping[str, Any]]) -> None:
    """The known answers; what was said of the tasks' other questions is final with them, as wherever a task ends."""
    Consensus.objects.filter(task__in=known, is_final=False).update(is_final=True)
    asked = {q.key: q for q in survey.current(project).questions}
    labels = [
        Consensus(
            task_id=task_id,
            question_id=asked[key].id,
            project=project,
            answer=answer,
            confidence=1.0,
            posterior=_posterior(answer),
            method=GOLD_METHOD,
            is_final=True,
        )
        for task_id, answers in known.items()
        for key, answer in answers.items()
    ]
    # By nobody, also where a reviewer had decided before it was known.
    written = ["answer", "confidence", "posterior", "method", "judgment_count", "is_final", "decided_by", "updated_at"]
    Consensus.objects.bulk_create(
        labels, update_conflicts=True, unique_fields=["task", "question"], update_fields=written
    )


def _posterior(answer: Any) -> dict[str, float]:
    """Certainty of an answer that is a class; what is none has no posterior."""
    return {label_of(answer): 1.0} if isinstance(answer, bool | str) else {}


def key_of(gold: Mapping[str, Any], name: str) -> str | None:
    """Under which name ``gold`` knows this file: the whole one, or its last part."""
    parts = (name, name.rpartition("/")[2])
    return next((key for part in parts for key in spellings(part) if gold.get(key)), None)


def mark_by_name(
    *,
    project: Project,
    files: Iterable[tuple[str, str]],
    gold: Mapping[str, Any],
    report: Callable[[str, str, str], None],
) -> None:
    """Mark the tasks of those files, each ``(name, sha256)``, whose name is in ``gold``."""
    wanted = {sha256: gold[key] for name, sha256 in files if (key := key_of(gold, name))}
    rows = Task.objects.select_related("image").filter(
        project=project, image__sha256__in=list(wanted), stage=tasks.first_stage(project)
    )
    entries = []
    for task in rows:
        entry = wanted[task.image.sha256]
        try:
            known = _known(project, entry["answers"], task.image, task.stage)
            if entry["use"] == Gold.Use.CHECK and task.state == Task.State.OPEN:
                _refuse_check(project, task.stage, known)
        except CrowdtuneError as error:
            report(task.image.name, error.code, error.message)
        else:
            entries.append((task, entry))
    if entries:
        _mark(entries, project, "import")
