"""The full fit of a project's judgments, in the background: skills, posteriors, figures. Worker-side.

Claimed by a conditional update, so two messages make one fit; judgments that arrive meanwhile keep their own update and
are fitted next time. Only what changed is written. Its answers are held as arrays while a project is fitted.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from labeling import webhooks
from labeling.aggregation.combine import Combined
from labeling.collecting import box_golds, suggestions, tasks, workflow
from labeling.consensus.base import Judgments, QuestionFit
from labeling.consensus.question_fit import fit_question
from labeling.consensus.ruled_out import Labels
from labeling.models import Consensus, Departure, Gold, Job, Judgment, Membership, Project, Question, Task, WorkerSkill
from labeling.questions import conditions
from labeling.resilience.heartbeat import beating, silent
from labeling.surveys import survey
from labeling.surveys.survey import Asked, Survey
from labeling.text.words import gettext as _

logger = logging.getLogger(__name__)

ABANDONED = timedelta(seconds=60)  # without a beat: its process is dead
BEAT_SECONDS = 5.0
PAUSE = 0.2  # seconds between two looks whether another process has fitted
CHUNK = 1000
Dropped = dict[tuple[str, int], int]  # (question, task) -> answers that no longer count
LONGEST = 300.0  # seconds between two fits
BRINGING = ("import_judgments", "import_labels")  # jobs that end with a fit of all that they brought in
MOVED = 0.005  # a posterior or skill that moved by less is not written again


def due() -> list[int]:
    """Projects with judgments that no full fit has seen; a large project rests longer between fits."""
    now = timezone.now()
    brings = Job.objects.filter(project=OuterRef("pk"), kind__in=BRINGING, state=Job.State.RUNNING)
    waiting = Project.objects.filter(_unfitted(now)).filter(_unclaimed(now)).annotate(is_filling=Exists(brings))
    rows = waiting.values_list("pk", "fitted_at", "judgment_count", "is_filling")
    return [
        project
        for project, fitted_at, count, is_filling in rows
        # A fit of the future was before the clock was set back.
        if fitted_at is None or not timedelta(0) <= now - fitted_at < rest(count, is_filling=is_filling)
    ]


def rest(judgments: int, *, is_filling: bool = False) -> timedelta:
    """Between two fits: 5 seconds for a small project, 5 minutes from 600,000 judgments on.

    Longer while a file fills it (``is_filling``): each chunk would have all before it fitted once more, and of these
    fits the one at the end leaves nothing.
    """
    return timedelta(seconds=min(max(5, judgments / 2000) * (10 if is_filling else 1), LONGEST))


def _unfitted(now: datetime) -> Q:
    """Something was said since, or a fit died on its way: it may have written its skills and not yet all labels."""
    return Q(answers_version__gt=F("fitted_version")) | silent("fit_started_at", ABANDONED, now)


def _unclaimed(now: datetime) -> Q:
    return Q(fit_started_at=None) | silent("fit_started_at", ABANDONED, now)


def fit_project(project_id: int) -> bool:
    """Fit what was said since the last fit. False when there was nothing, or another process is at it."""
    now = timezone.now()
    claimed = Project.objects.filter(_unclaimed(now), _unfitted(now), pk=project_id)
    if not claimed.update(fit_started_at=now):
        return False
    with _beating(project_id, now):
        _fit(Project.objects.get(pk=project_id))
    return True


def settle(project_id: int, progress: Callable[[float, str], None]) -> None:
    """Return when all that was said until now is fitted, here or by another process that is at it.

    Whoever brings in many judgments at once finds their labels when the job is done, and can train on them.

    Args:
        progress: Told how far this is while another process fits, and in what; may raise to stop.
    """
    said = Project.objects.filter(pk=project_id).values_list("answers_version", flat=True).first()
    while Project.objects.filter(pk=project_id, fitted_version__lt=said or 0).exists():
        if not fit_project(project_id):
            progress(0.99, _("The answers are combined into labels."))
            time.sleep(PAUSE)


@contextlib.contextmanager
def _beating(project_id: int, started: datetime) -> Iterator[None]:
    """Keep the claim fresh from a thread of its own, and give it back at the end; a dead process does neither."""
    held = [started]

    def beat() -> bool:
        now = timezone.now()
        mine = Project.objects.filter(pk=project_id, fit_started_at=held[0]).update(fit_started_at=now)
        held[0] = now if mine else held[0]
        return bool(mine)

    try:
        with beating(f"the fit of project {project_id}", beat, every=BEAT_SECONDS):
            yield
    finally:
        Project.objects.filter(pk=project_id, fit_started_at=held[0]).update(fit_started_at=None)


def _fit(project: Project) -> None:
    version = project.answers_version
    dropped: Dropped = {}
    fits = fit_all(project, project.aggregator, dropped=dropped)
    _write_skills(fits)
    _write_memberships(project, fits)
    with transaction.atomic():
        for question_id, found in fits.items():
            Question.objects.filter(pk=question_id).update(fit=found.stored)
        Project.objects.filter(pk=project.pk).update(fitted_version=version, fitted_at=timezone.now())
    _write_consensus(project, fits, dropped)
    _retire_confident(project)
    if project.in_stages:
        box_golds.keep(project.pk)
    logger.info("project %s: fitted %s questions up to version %s", project.pk, len(fits), version)


def weights_of(project: Project) -> dict[int, float]:
    """Those that were lowered, also of who has left; 1 is not said."""
    members = Membership.objects.filter(project=project)
    left = Departure.objects.filter(project=project).exclude(user__in=members.values("user"))
    return dict(left.values_list("user_id", "weight")) | dict(
        members.filter(weight__lt=1).values_list("user_id", "weight")
    )


def fit_all(
    project: Project, method: str, *, beside: bool = True, dropped: Dropped | None = None
) -> dict[int, QuestionFit]:
    """Question -> its fit by this method, over all judgments that stand; questions without an answer are left out.

    With ``beside`` it is the project's own fit: workers' weights count, and each task keeps what other methods say.
    Without, it is another method's view, in which judgments count alike or for nothing. ``dropped`` is told what counts
    no more.
    """
    asked = survey.current(project)
    judgments = _read(project, asked, {} if dropped is None else dropped)
    golds, hidden, checks = _golds(project)
    weights = weights_of(project)
    if not beside:
        weights = {worker: weight for worker, weight in weights.items() if not weight}
    fits: dict[int, QuestionFit] = {}
    labels = Labels(project, asked, judgments, golds) if beside else None
    for question in asked.questions:
        if labels is not None:
            labels.leave_out(question)
        known = {task: answers[question.key] for task, answers in golds.items() if question.key in answers}
        found = fit_question(question, judgments, known, weights, method, beside=beside, hidden=hidden, checks=checks)
        if found is not None:
            fits[question.id] = found
            if labels is not None:
                labels.add(question, found)
            if beside and found.stored.get("figures"):
                found.stored["figures"]["anchoring"] = _anchoring(project, question.key, judgments)
    return fits


def _golds(project: Project) -> tuple[dict[int, Any], set[int], set[int]]:
    """Task -> its known answers; which of these tasks hide among real ones, and which are checks."""
    rows = Gold.objects.filter(task__project=project).values_list("task_id", "answers", "use")
    golds = {task: (answers, use) for task, answers, use in rows}
    hidden, checks = (
        {task for task, (_, use) in golds.items() if use == wanted} for wanted in (Gold.Use.HIDDEN, Gold.Use.CHECK)
    )
    return {task: answers for task, (answers, _) in golds.items()}, hidden, checks


def _anchoring(project: Project, key: str, judgments: Judgments) -> dict[str, Any] | None:
    """Whether people follow the suggestions that they see; None where none were made."""
    if not project.show_suggestions:
        return None
    # Gold is suggested anew by each model, also after it was answered.
    rows = Task.objects.filter(project=project, is_gold=False, payload__has_key="suggestions")
    made = rows.values_list("id", "payload")
    suggested = {
        task: (payload["suggestions"][key], float(payload.get("blind_share", project.blind_share)))
        for task, payload in made.iterator(chunk_size=CHUNK)
        if key in payload["suggestions"]
    }
    if not suggested:
        return None
    # What came from files was said without a look at any suggestion.
    files = Judgment.objects.filter(project=project, source="import", withdrawn_at=None)
    brought = set(files.values_list("task_id", "worker_id"))
    said = (row for row in judgments.of(key) if row[:2] not in brought)
    return suggestions.anchoring(said, suggested)


def _read(project: Project, asked: Survey, dropped: Dropped) -> Judgments:
    """All judgments that stand; of one on another version of the survey only what still counts."""
    said = Judgment.objects.filter(project=project, withdrawn_at=None).order_by("id")
    fields = ("survey_version", "task_id", "worker_id", "answers")
    found = Judgments()
    for version, task, worker, answers in said.values_list(*fields).iterator(chunk_size=5000):
        counted = answers if version == asked.version else asked.counted(answers)
        for key in answers.keys() - counted.keys():
            dropped[key, task] = dropped.get((key, task), 0) + 1
        found.add(task, worker, counted)
    return found


def _write_skills(fits: dict[int, QuestionFit]) -> None:
    stored = {
        (question, worker): (accuracy, confusion)
        for question, worker, accuracy, confusion in WorkerSkill.objects.filter(question_id__in=fits).values_list(
            "question_id", "worker_id", "accuracy", "confusion"
        )
    }
    rows = [
        WorkerSkill(question_id=question, worker_id=worker, accuracy=skill["accuracy"], confusion=skill["confusion"])
        for question, found in fits.items()
        for worker, skill in found.skills.items()
        if stored.get((question, worker)) != (skill["accuracy"], skill["confusion"])
    ]
    WorkerSkill.objects.bulk_create(
        rows,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["question", "worker"],
        update_fields=["accuracy", "confusion"],
    )


def _write_memberships(project: Project, fits: dict[int, QuestionFit]) -> None:
    """A worker's accuracy in the project: over its questions, by how much was said to each."""
    total: dict[int, list[float]] = {}
    for found in fits.values():
        for worker, skill in found.skills.items():
            entry = total.setdefault(worker, [0.0, 0.0])
            entry[0] += skill["accuracy"] * found.said[worker]
            entry[1] += found.said[worker]
    with transaction.atomic():
        changed = []
        # In one order, for who imports what several have said, or deletes it, and counts it with each of them.
        rows = Membership.objects.filter(project=project, user_id__in=total).order_by("user_id").select_for_update()
        for member in rows.only("pk", "user_id", "accuracy"):
            accuracy = round(total[member.user_id][0] / total[member.user_id][1], 4)
            if member.accuracy is None or abs(member.accuracy - accuracy) > MOVED / 2:
                member.accuracy = accuracy
                changed.append(member)
        Membership.objects.bulk_update(changed, ["accuracy"], batch_size=CHUNK)


def _write_consensus(project: Project, fits: dict[int, QuestionFit], dropped: Dropped) -> None:
    for question in survey.current(project).questions:
        gone = {task: number for (key, task), number in dropped.items() if key == question.key}
        unsaid = set(gone)
        if found := fits.get(question.id):
            for start in range(0, len(found.tasks), CHUNK):
                _write_chunk(project, question, found, found.tasks[start : start + CHUNK], gone)
            unsaid -= found.said_of
        _forget(question.id, unsaid, gone)


def _forget(question_id: int, tasks: set[int], gone: dict[int, int]) -> None:
    """Where nothing that was said counts any more there is no consensus, unless somebody has answered meanwhile."""
    rows = Consensus.objects.filter(question_id=question_id, task_id__in=tasks, decided_by=None)
    stale = [pk for pk, task, count in rows.values_list("pk", "task_id", "judgment_count") if 0 < count <= gone[task]]
    rows.filter(pk__in=stale).delete()


def _write_chunk(
    project: Project,
    question: Asked,
    found: QuestionFit,
    ids: Sequence[int],
    gone: dict[int, int],
) -> None:
    """Tasks whose judgments changed since they were read, those that a person decided, and those whose answer to this
    question is known, are left alone.
    """
    with transaction.atomic():
        states = dict(Task.objects.filter(pk__in=ids).order_by("pk").select_for_update().values_list("pk", "state"))
        known = Gold.objects.filter(task__in=ids, answers__has_key=question.key)  # as it is now, under the lock
        gold = set(known.values_list("task_id", flat=True))
        old = {
            row[0]: row[1:]
            for row in Consensus.objects.filter(question_id=question.id, task_id__in=ids).values_list(
                "task_id", "answer", "confidence", "judgment_count", "decided_by_id", "others"
            )
        }
        rows = []
        for task in ids:
            combined = found.combined(task)
            answer, confidence, count, decided, others = old.get(task, (None, -1.0, 0, None, {}))
            changed = count > combined.judgments + gone.get(task, 0)
            if task in gold or task not in states or decided is not None or changed:
                continue
            if task in old and _says_the_same(answer, confidence, others, combined):
                continue
            rows.append(_row(project, question.id, task, combined, states[task]))
        fields = ["answer", "confidence", "posterior", "method", "judgment_count", "others", "updated_at"]
        Consensus.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["task", "question"], update_fields=fields
        )


def _says_the_same(answer: Any, confidence: float, others: dict[str, Any], combined: Combined) -> bool:
    """Whether a stored row says what is combined now, within MOVED."""
    if answer != combined.answer or abs(confidence - combined.confidence) >= MOVED:
        return False
    return others.keys() == combined.others.keys() and all(
        others[name]["answer"] == view["answer"] and abs(others[name]["confidence"] - view["confidence"]) < MOVED
        for name, view in combined.others.items()
    )


def _row(project: Project, question_id: int, task: int, combined: Combined, state: str) -> Consensus:
    return Consensus(
        task_id=task,
        project=project,
        question_id=question_id,
        answer=combined.answer,
        confidence=combined.confidence,
        posterior=combined.posterior,
        method=project.aggregator,
        judgment_count=combined.judgments,
        others=combined.others,
        is_final=state == Task.State.RETIRED,
        updated_at=timezone.now(),
    )


def _retire_confident(project: Project) -> None:
    """Open tasks that the new skills make sure of need no more judgments."""
    if project.stopping != "confidence":
        return
    required = set(project.questions.filter(required=True).values_list("pk", flat=True))
    rows = Consensus.objects.filter(task__project=project, task__state=Task.State.OPEN, question_id__in=required)
    unsure = set(rows.filter(confidence__lt=project.confidence).values_list("task_id", flat=True))
    unsure -= _unsure_of_hidden(project, unsure)
    enough = Q(task__judgment_count__gte=project.judgments_min) & Q(task__judgment_count__gte=F("task__asked_for"))
    for task_id in rows.filter(enough).values_list("task_id", flat=True).distinct().iterator(chunk_size=CHUNK):
        if task_id not in unsure:
            _close(project, task_id)


def _unsure_of_hidden(project: Project, unsure: set[int]) -> set[int]:
    """Those of the open tasks that are unsure only of questions which their labels of others rule out."""
    questions = survey.current(project).questions
    if not unsure or not any(question.show_if for question in questions):
        return set()
    labels: dict[int, dict[str, tuple[Any, float]]] = {}
    rows = Consensus.objects.filter(task__project=project, task__state=Task.State.OPEN)
    said = rows.values_list("task_id", "question__key", "answer", "confidence")
    for task, key, answer, sure in said.iterator(chunk_size=CHUNK):
        if task in unsure:
            labels.setdefault(task, {})[key] = (answer, sure)
    return {task for task, told in labels.items() if _is_sure(questions, told, project.confidence)}


def _is_sure(questions: Sequence[Asked], told: dict[str, tuple[Any, float]], enough: float) -> bool:
    asked = conditions.shown(questions, {key: answer for key, (answer, _sure) in told.items()})
    return all(told[one.key][1] >= enough for one in asked if one.required and one.key in told)


def _close(project: Project, task_id: int) -> None:
    """Retire the task, and cause what an answer that retires a task causes."""
    with transaction.atomic():
        if project.in_stages:
            workflow.hold(task_id=task_id)
        if not tasks.retire(task_id=task_id, because=Task.Because.CONFIDENT):
            return
        if project.in_stages:
            workflow.advance(task_id=task_id)
        webhooks.tell_retired(project=project, reasons={task_id: Task.Because.CONFIDENT})
