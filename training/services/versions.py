"""Which version answers: a person may overrule the gate, and go back by one click."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from labeling.models import Project
from labeling.words import gettext as _
from training import champions
from training.errors import NothingToDo
from training.models import ModelVersion

Alias = ModelVersion.Alias


@transaction.atomic
def promote(*, version: ModelVersion, actor_user: Any, reason: str = "") -> ModelVersion:
    """Make the version champion, whatever the gate said; the audit keeps who did it and why.

    Raises:
        NothingToDo: It is the champion already.
    """
    champions.lock(version.project_id)
    version.refresh_from_db()
    if version.alias == Alias.CHAMPION:
        raise NothingToDo(_("Version %(number)s is the champion already.") % {"number": version.number})
    told = _("Promoted by %(user)s: %(reason)s") if reason else _("Promoted by %(user)s, overruling the gate.")
    why = told % {"user": actor_user, "reason": reason[:300]}
    return champions.give_alias(version=version, alias=Alias.CHAMPION, kind="promote", reason=why, user=actor_user)


@transaction.atomic
def rollback(*, project: Project, user: Any, reason: str = "") -> ModelVersion:
    """Go back to the champion before this one.

    Raises:
        NothingToDo: There was none before.
    """
    champions.lock(project.pk)
    champion = champions.champion_of(project)
    previous = champions.previous_champion(project)
    if previous is None or champion is None:
        raise NothingToDo(_("There is no earlier champion to go back to."))
    told = (
        _("Rolled back from version %(number)s by %(user)s: %(reason)s")
        if reason
        else _("Rolled back from version %(number)s by %(user)s.")
    )
    why = told % {"number": champion.number, "user": user, "reason": reason[:300]}
    return champions.give_alias(version=previous, alias=Alias.CHAMPION, kind="rollback", reason=why, user=user)
