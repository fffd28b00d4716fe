"""A project comes to rest and is opened again.

An archived one is read-only: nobody is handed a task, nothing is trained, sampled, scored or labeled by the model, and
what would change it is refused (``labeling.accounts.archived``). Its champion goes on answering, since programs rely on
it; exports, copies and the promises about other people's pictures (how long what was kept from requests stays) go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling import audit
from labeling.collecting import leases
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Job, Project
from labeling.text.words import gettext as _

Rest = Callable[[Project], object]


def archive_project(*, project: Project, user: Any, others: Sequence[Rest] = ()) -> Project:
    """Have the project rest, and what is leased of it end; nothing where it rests already.

    Args:
        others: What the rooms above end with it.

    Raises:
        CrowdtuneError: jobs_live, while an import or another job is under way.
    """
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        if row.archived_at is not None:
            return row
        if live := Job.objects.filter(project=row, state__in=Job.LIVE).count():
            message = _("Jobs are under way here (%(count)s): wait for them or cancel them, then archive the project.")
            raise CrowdtuneError("jobs_live", message % {"count": live}, 409)
        row.archived_at = timezone.now()
        row.save(update_fields=["archived_at"])
        for other in others:
            other(row)
        audit.write(project=row, user=user, action="archived")
    # After the commit, for answers lock tasks before the project. An answer that comes now meets the refusal.
    held = Assignment.objects.filter(project=row, state=Assignment.State.LEASED)
    held.update(expires_at=timezone.now())
    leases.expire(project_id=row.pk)
    return row


def reopen_project(*, project: Project, user: Any) -> Project:
    """Open an archived project again, as it was; what waited of it goes on."""
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        if row.archived_at is not None:
            row.archived_at = None
            row.save(update_fields=["archived_at"])
            audit.write(project=row, user=user, action="unarchived")
    return row
