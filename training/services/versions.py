"""Which version answers, and which beside it: a person may overrule the gate, and go back by one click."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from labeling.models import Project
from labeling.text.words import gettext as _
from training.errors import NothingToDo
from training.features import answers
from training.models import ModelVersion
from training.snapshots import labels
from training.versions import champions

Alias = ModelVersion.Alias


@transaction.atomic
def promote(*, version: ModelVersion, user: Any, reason: str = "") -> ModelVersion:
    """Make the version champion, whatever the gate said; the audit keeps who did it and why.

    What is the champion already stays it, and nothing is written down: the gate may have been quicker than who asks.

    Raises:
        ArtifactDamaged: It could not answer.
    """
    champions.lock(version.project_id)
    version.refresh_from_db()
    if version.alias == Alias.CHAMPION:
        return version
    answers.check_files(version)
    told = _("Promoted by %(user)s: %(reason)s") if reason else _("Promoted by %(user)s, overruling the gate.")
    why = told % {"user": user, "reason": reason[:300]}
    return champions.give_alias(version=version, alias=Alias.CHAMPION, kind="promote", reason=why, user=user)


@transaction.atomic
def rollback(*, project: Project, user: Any, reason: str = "") -> ModelVersion:
    """Go back to the champion before this one.

    Raises:
        NothingToDo: There was none before.
        ArtifactDamaged: It could not answer any more.
    """
    champions.lock(project.pk)
    champion = champions.champion_of(project)
    previous = champions.previous_champion(project)
    if previous is None or champion is None:
        raise NothingToDo(_("There is no earlier champion to go back to."))
    answers.check_files(previous)
    told = (
        _("Rolled back from version %(number)s by %(user)s: %(reason)s")
        if reason
        else _("Rolled back from version %(number)s by %(user)s.")
    )
    why = told % {"number": champion.number, "user": user, "reason": reason[:300]}
    return champions.give_alias(version=previous, alias=Alias.CHAMPION, kind="rollback", reason=why, user=user)


@transaction.atomic
def challenge(*, version: ModelVersion, user: Any, reason: str = "") -> ModelVersion:
    """Let the version, a newer or an older one, run beside the champion; the challenger before loses its place.

    Raises:
        NothingToDo: It is champion or challenger already, or there is no champion that it could be compared with.
        ArtifactDamaged: It could not answer.
    """
    champions.lock(version.project_id)
    version.refresh_from_db()
    number = {"number": version.number}
    if version.alias == Alias.CHAMPION:
        raise NothingToDo(_("Version %(number)s is the champion: it cannot challenge itself.") % number)
    if version.alias == Alias.CHALLENGER:
        raise NothingToDo(_("Version %(number)s is the challenger already.") % number)
    champion = champions.champion_of(version.project)
    if champion is None:
        raise NothingToDo(_("There is no champion to challenge."))
    if champion.question_id != version.question_id:  # its answers would neither be compared nor given
        raise NothingToDo(_("Version %(number)s has learned another question than the champion.") % number)
    answers.check_files(version)
    told = _("Made challenger by %(user)s: %(reason)s") if reason else _("Made challenger by %(user)s.")
    why = told % {"user": user, "reason": reason[:300]}
    return champions.give_alias(version=version, alias=Alias.CHALLENGER, kind="challenge", reason=why, user=user)


@transaction.atomic
def withdraw_challenger(*, version: ModelVersion, user: Any) -> ModelVersion:
    """The version is challenger no longer, and no other takes its place.

    Raises:
        NothingToDo: It is not the challenger.
    """
    champions.lock(version.project_id)
    version.refresh_from_db()
    if version.alias != Alias.CHALLENGER:
        raise NothingToDo(_("Version %(number)s is not the challenger.") % {"number": version.number})
    why = _("Withdrawn as challenger by %(user)s.") % {"user": user}
    return champions.take_alias(version=version, kind="withdraw", reason=why, user=user)


def answers_gone(project: Project) -> dict[str, Any]:
    """``version``, the champion, and ``categories`` that it can answer though the survey has them no longer; or {}."""
    found = ModelVersion.objects.of_primary_question().champions().filter(project=project)
    champion, question = found.only("number", "categories").first(), project.primary_question()
    if champion is None or question is None:
        return {}
    names = labels.category_names(question)
    gone = [key for key in champion.categories if key not in names]
    return {"version": champion, "categories": gone} if gone else {}
