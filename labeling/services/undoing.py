"""An answer is taken back: its task is leased once more, and no counter and no label knows of it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from labeling.actors import reopen_affordable
from labeling.collecting import marking, phases, rightness, statements, tasks, workflow
from labeling.consensus.update import update_task
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Consensus, Gold, Judgment, Membership, Project, Task
from labeling.services.claims import refuse_paused
from labeling.surveys import survey
from labeling.text.words import gettext as _

State = Assignment.State
MOST_UNDONE = 10  # in a row: what was said long ago, and what models were made of, stays


def undo_last(
    *, project: Project, worker: Any, assignment_id: uuid.UUID | None = None, most: int | None = None
) -> tuple[Assignment, dict[str, Any]]:
    """Withdraw the worker's last judgment and lease its task again; then the one before it, so far back as ``most``
    or MOST_UNDONE.

    With ``assignment_id`` it is the judgment of that assignment; when it is withdrawn already, as by a try whose reply
    was lost, its task comes again and nothing else is taken back.

    Returns:
        The new lease, and the answers that were withdrawn.

    Raises:
        CrowdtuneError: nothing_to_undo; also to who is no member any more. What a claim raises to who is paused: the
            page would not show the task again, and the answer would be gone.
    """
    member = Membership.objects.filter(project=project, user_id=worker.pk).first()
    if member is None:
        raise _nothing()
    refuse_paused(project, member)
    with transaction.atomic():
        last = _to_undo(project, worker, assignment_id, most or MOST_UNDONE)
        if project.in_stages:
            tasks.hold(images=[last.task.image_id], project_id=project.pk)
        task = Task.objects.select_for_update().filter(pk=last.task_id).first()
        # Looked at again under the lock, which comes before judgments: another tab may have taken it back meanwhile.
        if task is None or not Judgment.objects.filter(pk=last.pk, withdrawn_at=None).exists():
            return _held_again(last, assignment_id), last.answers
        lease = _withdraw(last, task, project)
        _reopen_after_withdrawal(task)
        if not statements.count(project_id=project.pk, judgments=-1, price=-last.price) and project.is_spent:
            # Who takes the last of a budget back may never answer again; who does in time opens and closes nothing.
            reopen_affordable.send_with_options(args=(project.pk,), delay=project.lease_seconds * 1000)
    return lease, last.answers


def _to_undo(project: Project, worker: Any, assignment_id: uuid.UUID | None, most: int) -> Judgment:
    """The judgment that was named, withdrawn or not; else the last that is not."""
    said = Judgment.objects.select_related("task", "assignment").filter(
        project=project, worker_id=worker.pk, source="worker"
    )
    for given in said.order_by("-id")[:most]:
        if given.withdrawn_at is None if assignment_id is None else given.assignment_id == assignment_id:
            if given.assignment is None or _taught(given):
                break
            return given
    raise _nothing()


def _held_again(judgment: Judgment, assignment_id: uuid.UUID | None) -> Assignment:
    """The lease by which a task that was named and taken back before is held, unless it was answered anew since."""
    held = Assignment.objects.filter(task=judgment.task_id, worker_id=judgment.worker_id)
    lease = held.select_related("task__image", "task__project").order_by("-expires_at").first()
    if assignment_id is None or lease is None or lease.state not in {State.LEASED, State.EXPIRED}:
        raise _nothing()
    return lease


def _nothing() -> CrowdtuneError:
    return CrowdtuneError("nothing_to_undo", _("There is no answer left to take back."), 409)


def _taught(judgment: Judgment) -> bool:
    """Practice and test answers stay: their feedback has been read."""
    return judgment.is_gold and Gold.objects.filter(task_id=judgment.task_id, use__in=phases.BEFORE_WORK).exists()


def _withdraw(judgment: Judgment, task: Task, project: Project) -> Assignment:
    now = timezone.now()
    old: Any = judgment.assignment
    Judgment.objects.filter(pk=judgment.pk).update(withdrawn_at=now)
    Assignment.objects.filter(pk=old.pk).update(state=State.WITHDRAWN)
    Task.objects.filter(pk=task.pk).update(judgment_count=F("judgment_count") - 1)
    gold = Gold.objects.filter(task=task, use__in=marking.MEASURING).first() if judgment.is_gold else None
    known = survey.answerable(project.pk, judgment.survey_version, gold.answers) if gold else {}
    members = Membership.objects.filter(project=project, user_id=judgment.worker_id).update(
        judgment_count=F("judgment_count") - 1,
        seconds=F("seconds") - (judgment.seconds or 0),
        earned=F("earned") - judgment.price,
        # Who came back begins to be measured anew.
        gold_seen=Greatest(F("gold_seen") - (1 if known else 0), 0),
        gold_right=Greatest(F("gold_right") - (1 if known and rightness.is_right(judgment.answers, known) else 0), 0),
    )
    if not members:  # who was taken out is owed what was written down then
        raise _nothing()
    lease = Assignment.objects.create(
        task=task,
        project=project,
        worker_id=judgment.worker_id,
        slot=old.slot,
        price=judgment.price,
        survey_version=judgment.survey_version,  # the form in which the answer that comes back was given
        created_at=old.created_at,
        expires_at=now + timedelta(seconds=project.lease_seconds),
    )
    return Assignment.objects.select_related("task__image", "task__project").get(pk=lease.pk)


def _reopen_after_withdrawal(task: Task) -> None:
    """A task that the withdrawn judgment had closed is open again; its consensus is of the judgments that stay."""
    if task.state == Task.State.RETIRED and task.retired_because in {Task.Because.CONFIDENT, Task.Because.MAXIMUM}:
        tasks.reopen(task_id=task.pk)
        workflow.void(task=task)
    said = list(Judgment.objects.filter(task=task, withdrawn_at=None).values_list("answers", flat=True))
    if said:
        update_task(task_id=task.pk)
    rows = Consensus.objects.filter(task=task, decided_by=None).exclude(method=marking.GOLD_METHOD)
    rows.exclude(question__key__in={key for answers in said for key in answers}).delete()  # of which nobody else spoke
