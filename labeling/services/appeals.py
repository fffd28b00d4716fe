"""A paused worker's word against the pause, and what a manager answers."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling import audit
from labeling.accounts import archived
from labeling.errors import CrowdtuneError
from labeling.models import Appeal, Membership
from labeling.services.members import resume_worker, tell_accepted
from labeling.text.words import gettext as _

LONGEST = 2000


def appeal_pause(*, member: Membership, text: str) -> Appeal:
    """Ask to go on.

    Raises:
        CrowdtuneError: not_paused, invalid (no text, or too long), appeal_open (one is waiting already).
    """
    text = text.strip()
    archived.refuse(member.project)
    if not member.is_paused and member.phase != Membership.Phase.FAILED:
        raise CrowdtuneError("not_paused", _("Your work here is not paused, so there is nothing to appeal."), 409)
    if not 0 < len(text) <= LONGEST:
        raise CrowdtuneError(
            "invalid",
            _("Say why in 1 to %(longest)s characters; got %(length)s.") % {"longest": LONGEST, "length": len(text)},
            field="text",
        )
    try:
        with transaction.atomic():
            return Appeal.objects.create(membership=member, text=text)
    except IntegrityError as error:
        raise CrowdtuneError("appeal_open", _("Your last appeal still waits for an answer."), 409) from error


def decide_appeal(*, appeal: Appeal, accept: bool, by: Any, answer: str = "") -> Appeal:
    """Accept (the worker goes on) or reject an open appeal, with a word of why.

    Raises:
        CrowdtuneError: appeal_decided.
    """
    with transaction.atomic():
        changed = Appeal.objects.filter(pk=appeal.pk, state=Appeal.State.OPEN).update(
            state=Appeal.State.ACCEPTED if accept else Appeal.State.REJECTED,
            answer=answer.strip()[:LONGEST],
            decided_by=by,
            decided_at=timezone.now(),
        )
        if not changed:
            raise CrowdtuneError("appeal_decided", _("This appeal has been decided already."), 409)
        member = appeal.membership
        if accept:
            Membership.objects.filter(pk=member.pk, phase=Membership.Phase.FAILED).update(
                phase=Membership.Phase.WORKING
            )
            resume_worker(member=member, by=by)
            tell_accepted(member=member, answer=answer.strip()[:LONGEST])
        changes = {"username": member.user.username, "accepted": accept}
        audit.write(project=member.project, user=by, action="appeal_decided", changes=changes)
    appeal.refresh_from_db()
    return appeal
