"""What an archived project refuses: every change. It is still read, asked to predict, exported, copied and deleted."""

from __future__ import annotations

from labeling.errors import CrowdtuneError
from labeling.models import Project
from labeling.text.words import gettext as _

READS = {"GET", "HEAD", "OPTIONS"}


def refuse(project: Project) -> None:
    """Return where the project is open.

    Raises:
        CrowdtuneError: project_archived, with what to do.
    """
    if project.archived_at is not None:
        message = _("This project is archived: nothing changes in it until its owner or a manager reopens it.")
        raise CrowdtuneError("project_archived", message, 409)


def refuse_new(project_id: int) -> None:
    """``refuse`` in the transaction that has just added a row of the project, which may have been archived since it was
    read: an archiving under way holds the project, and either has waited for that row or was waited for by it.
    """
    for project in Project.objects.filter(pk=project_id, archived_at__isnull=False):
        refuse(project)


def refuse_change(project: Project, method: str | None) -> None:
    """``refuse``, where a request of this method would change something."""
    if method not in READS:
        refuse(project)
