"""Claiming the next task, and giving it back: a lease that ends by itself."""

from __future__ import annotations

import random
import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.accounts import archived
from labeling.collecting import late, leases, phases, rules, spending, suggestions
from labeling.collecting.leases import Lease
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Gold, Membership, Project
from labeling.services.members import ensure_member
from labeling.text.words import gettext as _

MOST_HELD = leases.MOST
LEFT = "left the page"  # as static/js/label.js says it


def claim_assignment(*, project: Project, worker: Any) -> Assignment | None:
    """The task that this person should do now: the live lease if there is one, else the next; None when none is left.

    Raises:
        CrowdtuneError: project_paused, worker_paused, not_qualified or busy, each with what to do.
    """
    found = claim_leases(project=project, member=ensure_member(project=project, user=worker))
    if not found:
        return None
    rows = Assignment.objects.select_related("task__image", "task__project", "worker")
    return rows.get(pk=found[0].id)


def claim_leases(*, project: Project, member: Membership, hold: int = 1) -> list[Lease]:
    """Bring the worker's live leases up to ``hold``, oldest first; an empty list when nothing is left for them."""
    refuse_paused(project, member)
    claim = _affordable if spending.is_near_the_end(project) else _claim
    found = claim(project, member, hold)
    if not found and leases.expire(project_id=project.pk):  # what is over holds slots, and money, until it is swept
        found = claim(project, member, hold)
    return [suggestions.for_worker(lease, project=project, worker_id=member.user_id) for lease in found]


def find_lease(*, project: Project, worker: Any, assignment_id: uuid.UUID) -> Lease | None:
    """The worker's lease that can be answered, as they may see it; see :func:`labeling.collecting.leases.find`."""
    lease = leases.find(project_id=project.pk, worker_id=worker.pk, assignment_id=assignment_id)
    return lease and suggestions.for_worker(lease, project=project, worker_id=worker.pk)


def _affordable(project: Project, member: Membership, hold: int) -> list[Lease]:
    with transaction.atomic():
        mine = leases.live(project_id=project.pk, worker_id=member.user_id)
        left = leases.affordable(project_id=project.pk)
        return _claim(project, member, min(hold, len(mine) + max(left, 0))) if left > 0 else mine


def _claim(project: Project, member: Membership, hold: int) -> list[Lease]:
    hold = min(max(hold, 1), MOST_HELD)
    values: dict[str, Any] = {
        "project_id": project.pk,
        "worker_id": member.user_id,
        "seconds": project.lease_seconds,
        "version": project.survey_version,
        "price": project.price_per_judgment,
    }
    phase: str = member.phase
    while phase in phases.BEFORE_WORK:
        found = leases.claim_gold(**{**values, "price": 0}, gold=[True], use=phase, start=0.0)
        before, phase = phase, phase if found else phases.advance_phase(project=project, worker_id=member.user_id)
        if phase == before:
            return found
    _refuse_failed(phase)
    if project.gold_count and project.gold_rate > 0:
        return _hiding_gold(project, hold, values)
    return leases.claim(**values, hold=hold)


def _hiding_gold(project: Project, hold: int, values: dict[str, Any]) -> list[Lease]:
    """Each lease may be gold, at the project's rate, and none tells: not by its place, by how many come with it, or by
    images to load ahead. Which of those comes next depends on what everybody else is doing, and gold depends on nobody;
    so nothing is named ahead here but what is leased already. Where nothing else is left for the worker gold would be
    all that comes, known as gold and paid for nothing; a rate of 1 asks for that. Whether something is left is asked
    before each claim, or those of gold would take longer.
    """
    values = {**values, "since": timezone.now()}
    gold = [random.random() < project.gold_rate for _lease in range(hold)]
    found: list[Lease] = []
    worker = values["worker_id"]
    may_hide = project.gold_rate == 1 or leases.is_any_left(project_id=project.pk, worker_id=worker)
    if may_hide and any(gold):
        found = leases.claim_gold(**values, gold=gold, use=Gold.Use.HIDDEN, start=random.random())
    if len(found) < hold:
        found = leases.claim(**values, hold=hold)
    return [lease._replace(upcoming=[]) for lease in found]


def skip_assignment(*, assignment_id: uuid.UUID, worker: Any, reason: str = "") -> None:
    """Give the task back and not be asked about it again."""
    with transaction.atomic():
        ended = _end(assignment_id, worker, Assignment.State.SKIPPED, reason) or late.skip(
            assignment_id=assignment_id, worker_id=worker.pk, reason=reason[:300]
        )
        if ended is None:
            return
        project = Project.objects.get(pk=ended[1])
        archived.refuse(project)
        leases.count_skip(project_id=ended[1], worker_id=worker.pk)
        phases.advance_phase(project=project, worker_id=worker.pk)
        # An answer ends a row of skips, so this is where such a rule can be met.
        rules.apply(project=project, worker_id=worker.pk, task_id=ended[0])


def release_assignment(*, assignment_id: uuid.UUID, worker: Any, reason: str = "") -> None:
    """Give the task back; it may come again.

    A page that is left ends its leases before their time. Another tab may show the same tasks still, so its answers are
    taken as those after a lease that ran out are.
    """
    State = Assignment.State
    _end(assignment_id, worker, State.EXPIRED if reason == LEFT else State.RELEASED, reason)


def no_assignment() -> CrowdtuneError:
    return CrowdtuneError("not_found", _("There is no such assignment of yours: its image may be gone."), 404)


def _end(assignment_id: uuid.UUID, worker: Any, state: str, reason: str) -> tuple[int, int] | None:
    """None when it was in this state already: saying it twice is saying it once."""
    # The page's script says so in English, whatever language the person reads; people's own words stay theirs.
    told = _("left the page") if reason == LEFT else reason[:300]
    ended = leases.end(assignment_id=assignment_id, worker_id=worker.pk, state=state, reason=told)
    if ended:
        return ended
    found = Assignment.objects.filter(pk=assignment_id, worker_id=worker.pk).values_list("state", flat=True).first()
    if found is None:
        raise no_assignment()
    if found in {state, Assignment.State.EXPIRED}:
        return None
    raise CrowdtuneError(
        "assignment_over", _("This assignment is %(found)s already; claim the next one.") % {"found": found}, 409
    )


def refuse_paused(project: Project, member: Membership) -> None:
    """Nobody is handed a task who is paused, or whose project is."""
    archived.refuse(project)
    if project.is_paused:
        raise CrowdtuneError("project_paused", _("The owner has paused this project. Come back later."), 409)
    if member.is_paused:
        why = member.paused_because.strip() or _("The owner has paused your work here.")
        why += "" if why[-1] in ".!?…।。" else "."  # an owner's own words
        raise CrowdtuneError("worker_paused", _("You are paused: %(why)s You can appeal.") % {"why": why}, 403)
    if member.phase == Membership.Phase.FAILED:
        member.phase = phases.advance_phase(project=project, worker_id=member.user_id)
    _refuse_failed(member.phase)


def _refuse_failed(phase: str) -> None:
    if phase == Membership.Phase.FAILED:
        raise CrowdtuneError("not_qualified", _("The qualification test was not passed. You can appeal."), 403)
