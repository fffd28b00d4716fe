"""An answer is given: checked, stored once, and at once part of the consensus."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.db import transaction

from labeling import webhooks
from labeling.accounts import archived
from labeling.actors import retire_spent
from labeling.collecting import (
    late,
    leases,
    lookups,
    marking,
    phases,
    rightness,
    rules,
    spending,
    statements,
    workflow,
)
from labeling.collecting.lookups import Leased
from labeling.collecting.statements import Recorded
from labeling.consensus.update import update_answered, weigh
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Gold, Judgment, Project, Task
from labeling.resilience import races
from labeling.services.claims import no_assignment
from labeling.surveys import survey
from labeling.surveys.asked_in import AskedIn, as_written
from labeling.text.words import gettext as _

State = Assignment.State


def submit_judgment(
    *,
    assignment_id: uuid.UUID,
    worker: Any,
    answers: dict[str, Any],
    seconds: float | str | None = None,
    language: AskedIn = as_written,
) -> tuple[Judgment, bool]:
    """Store the worker's answers under the lease; the same body again returns the stored row and False.

    ``language`` finds out of the lease's survey which of its languages was shown.

    Raises:
        CrowdtuneError: not_found; bad_answer with the reason for each question; 409 lease_lost when another has the
            slot now; 409 already_answered when other answers are stored.
    """
    lease = lookups.leased(assignment_id=assignment_id, worker_id=worker.pk)
    if lease is None:
        raise no_assignment()
    return submit_leased(lease=lease, answers=answers, seconds=seconds, language=language)


def submit_leased(
    *, lease: Leased, answers: Any, seconds: Any = None, language: AskedIn = as_written
) -> tuple[Judgment, bool]:
    """``submit_judgment`` under a lease that was looked up already."""
    looks = iter([lease])

    def submit() -> tuple[Judgment, bool]:
        now = next(looks, None) or lookups.leased(assignment_id=lease.id, worker_id=lease.worker_id)
        if now is None:
            raise _lost()
        return _submit(now, answers, seconds, language)

    return races.again(submit)


def _submit(lease: Leased, answers: Any, seconds: Any, language: AskedIn) -> tuple[Judgment, bool]:
    if lease.state == State.SUBMITTED:
        return _repeated(lease, answers), False
    if lease.state not in {State.LEASED, State.EXPIRED}:
        raise _lost()
    project = lease.project
    archived.refuse(project)
    asked = survey.load(project.pk, lease.survey_version)
    asked = asked.worded(shown) if (shown := language(asked)) else asked
    checked = asked.check(lease.stage, answers, width=lease.width, height=lease.height)
    active = statements.usable_seconds(seconds)
    price = _price(lease)
    recorded = _record_as_seen(lease, checked, active, price, shown)
    if recorded is None:
        recorded = _record(lease, checked, active, price, shown)
    if recorded is None:  # somebody ended the lease between our look and our write
        return _again(lease, answers)
    judgment = Judgment(
        id=recorded.judgment_id,
        task_id=lease.task_id,
        project_id=project.pk,
        worker_id=lease.worker_id,
        assignment_id=lease.id,
        answers=checked,
        seconds=active,
        survey_version=asked.version,
        language=shown,
        is_gold=lease.is_gold,
        price=price,
        created_at=recorded.created_at,
    )
    judgment.is_practice = lease.use == Gold.Use.PRACTICE
    return judgment, True


def _price(lease: Leased) -> Decimal:
    """What was offered is paid, and what was counted when it was leased; a lease that is over is taken anew."""
    if lease.use in phases.BEFORE_WORK:
        return Decimal(0)
    return lease.project.price_per_judgment if lease.price is None or lease.state == State.EXPIRED else lease.price


def _record_as_seen(
    lease: Leased, answers: dict[str, Any], seconds: float | None, price: Decimal, language: str
) -> Recorded | None:
    """The judgment and its consensus in one statement; None where more follows, or the task was written meanwhile.

    Hidden gold, too: were it slower, a stopwatch would tell it.
    """
    project, seen = lease.project, lease.seen
    if lease.state != State.LEASED or not _ends_here(project):
        return None
    if lease.is_gold and lease.use != Gold.Use.HIDDEN:
        return None
    if seen.retired_because == Task.Because.PERSON:  # whose answer may stand
        return None
    task = seen.with_answer(
        task_id=lease.task_id, worker_id=lease.worker_id, answers=answers, version=lease.survey_version
    )
    # What a person decided of gold is kept by the statement.
    rows, decision, _void = weigh(project=project, stage=lease.stage, task=task, kept=lease.known or ())
    if decision.action == "more":
        return None
    done = statements.record_as_seen(
        assignment_id=lease.id, project=project, seen=seen, task=task, seconds=seconds, language=language,
        price=price, rows=rows, because=decision.because, right=_is_right(lease, answers),
    )  # fmt: skip
    if done is None:
        return None
    recorded, is_spent = done
    if is_spent and project.price_per_judgment:
        retire_spent.send(project.pk)
    return recorded


def _record(
    lease: Leased, answers: dict[str, Any], seconds: float | None, price: Decimal, language: str
) -> Recorded | None:
    """The judgment and all that it causes, in one transaction; None when the lease is over."""
    project = lease.project
    if lease.state == State.EXPIRED:
        leases.expire(project_id=project.pk)  # what is over holds slots, and money, until it is swept
    with transaction.atomic():
        room = lease.state != State.EXPIRED or spending.has_room(project=project)
        if project.in_stages:
            workflow.hold(task_id=lease.task_id)
        if lease.state == State.EXPIRED:
            offers = late.give_way(assignment_id=lease.id)
            # What the budget held for the newer lease is this one's, where it is enough.
            room = room or any(offer is None or offer >= price for offer in offers)
        if not room or (lease.state == State.EXPIRED and not late.retake(assignment_id=lease.id, seconds=60)):
            raise _lost()
        recorded = statements.record(
            assignment_id=lease.id,
            project_id=project.pk,
            row=lease.seen.row,
            answers=answers,
            seconds=seconds,
            version=lease.survey_version,
            language=language,
            price=price,
            questions=[question.id for question in survey.current(project).at(lease.stage)],
            right=_is_right(lease, answers),
            hears=not _is_known(lease),
        )
        if recorded is not None:
            _refuse_outdated(lease, recorded)
            _follow(lease, recorded, price)
    return recorded


def _refuse_outdated(lease: Leased, recorded: Recorded) -> None:
    """Its task became gold, or other gold, or is none any more while the answer waited: all is looked at anew."""
    if recorded.is_as_looked_at or not (lease.is_gold or recorded.retired_because == Task.Because.GOLD):
        return
    known = Gold.objects.filter(task=lease.task_id, task__is_gold=True).values_list("answers", "use").first()
    if (known or (None, None)) != (lease.known, lease.use):
        raise races.Outdated


def _ends_here(project: Project) -> bool:
    """Whether nothing follows an answer to an ordinary task but its consensus."""
    return not (project.rule_count or project.webhook_count or project.workflow != Project.Workflow.LABEL)


def _is_known(lease: Leased) -> bool:
    """Whether it is gold of which every answer is known, so that none moves its labels."""
    asked = survey.current(lease.project).at(lease.stage)
    return lease.known is not None and all(question.key in lease.known for question in asked)


def _is_right(lease: Leased, answers: dict[str, Any]) -> bool | None:
    """How an answer to gold went; None where it measures nobody."""
    if lease.known is None or lease.use not in marking.MEASURING:
        return None
    known = survey.answerable(lease.project.pk, lease.survey_version, lease.known)
    return rightness.is_right(answers, known) if known else None


def _lost() -> CrowdtuneError:
    told = _("This task is not yours any more: your time on it was over, or it was closed. Go on with the next one.")
    return CrowdtuneError("lease_lost", told, 409)


def _again(lease: Leased, answers: Any) -> tuple[Judgment, bool]:
    now = lookups.leased(assignment_id=lease.id, worker_id=lease.worker_id)
    if now is not None and now.state == State.SUBMITTED:
        return _repeated(now, answers), False
    raise _lost()


def _repeated(lease: Leased, answers: Any) -> Judgment:
    """The stored judgment when the same answers come again: a retry after a lost reply."""
    stored = Judgment.objects.get(assignment_id=lease.id)
    stored.is_practice = lease.use == Gold.Use.PRACTICE
    asked = survey.load(lease.project.pk, stored.survey_version)
    if asked.check(lease.stage, answers, width=lease.width, height=lease.height) != stored.answers:
        raise CrowdtuneError(
            "already_answered", _("Other answers are stored for this assignment; undo them first."), 409
        )
    return stored


def _follow(lease: Leased, recorded: Recorded, price: Decimal) -> None:
    """What an answer causes, in its transaction: consensus, phase, rules, workflow, counters."""
    project, worker_id = lease.project, lease.worker_id
    # The row of the project, which all wait for, is written with the consensus only where nothing follows it.
    ends_here = _ends_here(project)
    if lease.use in phases.BEFORE_WORK:
        phases.advance_phase(project=project, worker_id=worker_id)
    is_spent = update_answered(
        project=project,
        stage=lease.stage,
        task=recorded,
        price=price if ends_here else None,
        kept=lease.known if _is_known(lease) else None,
    )
    if lease.known is None and project.in_stages:
        workflow.advance(task_id=lease.task_id)
    rules.apply(project=project, worker_id=worker_id, task_id=lease.task_id)
    told = {"judgment": recorded.judgment_id, "task": lease.task_id}
    if project.webhook_count:
        webhooks.emit(project=project, event="judgment.created", payload=told)
        if lease.known is None and recorded.state == Task.State.OPEN:
            closed = Task.objects.filter(pk=lease.task_id, state=Task.State.RETIRED)
            webhooks.tell_retired(project=project, reasons=dict(closed.values_list("pk", "retired_because")))
    if not ends_here:
        is_spent = statements.count(project_id=project.pk, judgments=1, price=price)
    if is_spent and project.price_per_judgment:
        retire_spent.send(project.pk)


def stored_json(*, judgment: Judgment) -> dict[str, Any]:
    """A judgment as its worker's program gets it back."""
    told = {
        "id": judgment.pk,
        "task": judgment.task_id,
        "answers": judgment.answers,
        "seconds": judgment.seconds,
        "survey_version": judgment.survey_version,
        "created_at": judgment.created_at,
        # Looked for after hidden gold it would tell that by its time.
        "feedback": feedback(judgment=judgment) if judgment.is_gold and judgment.is_practice is not False else None,
    }
    return {**told, "language": judgment.language} if judgment.language else told


def feedback(*, judgment: Judgment) -> dict[str, Any] | None:
    """What a practice answer is told at once: whether it was right, and what would have been."""
    gold = Gold.objects.filter(task_id=judgment.task_id, use=Gold.Use.PRACTICE).first()
    if gold is None:
        return None
    known = survey.answerable(judgment.project_id, judgment.survey_version, gold.answers)
    return {"right": rightness.is_right(judgment.answers, known), "expected": known, "explanation": gold.explanation}
