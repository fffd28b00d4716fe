"""The categories of a project's body: of a large taxonomy only the first are read there, and so only these are replaced
by who reads a project and sends it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from labeling.models import Project
from labeling.services.wordings import bad_survey
from labeling.surveys.survey import MANY_CHOICES


def read(document: Mapping[str, Any]) -> list[str]:
    """The keys that reading the project shows."""
    return [row["key"] for row in document["categories"][:MANY_CHOICES]]


def keep_unread(project: Project, asked: dict[str, Any]) -> None:
    """Take what is no wish out of ``asked``: categories just as they were read, and ``remove_unread``.

    Raises:
        CrowdtuneError: bad_survey: categories would go that reading the project does not show.
    """
    plainly = asked.pop("remove_unread", False)
    wanted = asked.get("categories")
    if wanted is None or plainly:
        return
    document = project.frozen_survey()
    if wanted == read(document):
        del asked["categories"]
        return
    stays = {str(row.get("key") or row.get("name") if isinstance(row, Mapping) else row).strip() for row in wanted}
    gone = [row["key"] for row in document["categories"][MANY_CHOICES:] if row["key"] not in stays]
    if gone:
        told = _(
            "This would remove %(count)s categories that reading the project does not show, %(key)s for one: it shows "
            "the first %(shown)s. Send all that shall stay, which are at categories/, or `remove_unread`: true."
        )
        raise bad_survey("categories", told % {"count": len(gone), "key": repr(gone[0]), "shown": MANY_CHOICES})
