"""Worker-side: which version answers. Aliases move in one transaction, and every move is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling import audit, webhooks
from labeling.models import Project
from labeling.text.words import gettext
from training.models import AliasChange, ModelVersion

Alias = ModelVersion.Alias
audit.ACTIONS.update(
    model_promote=_("Promoted a model version"),
    model_rollback=_("Went back to an earlier model version"),
    model_challenge=_("Made a model version challenger"),
    model_withdraw=_("Withdrew the challenger"),
)
# What this process does, with the project's id, once a move has been committed.
MOVED: list[Callable[[int], None]] = []


@transaction.atomic
def give_alias(*, version: ModelVersion, alias: str, kind: str, reason: str, user: Any = None) -> ModelVersion:
    """Move the alias to the version; who held it loses it.

    Args:
        kind: ``gate`` (a run decided), or what a person did: ``promote``, ``rollback`` or ``challenge``.
    """
    lock(version.project_id)
    holder = ModelVersion.objects.filter(project=version.project_id, alias=alias).exclude(pk=version.pk).first()
    if holder is not None:
        holder.alias = ""
        holder.save(update_fields=["alias"])
    version.alias = alias
    version.decision = reason
    if alias == Alias.CHAMPION:
        version.promoted_at = timezone.now()
        _drop_old_challenger(version)
    version.save(update_fields=["alias", "decision", "promoted_at"])
    AliasChange.objects.create(
        project_id=version.project_id,
        version=version,
        replaced=holder,
        alias=alias,
        user=user,
        kind=kind,
        reason=reason,
    )
    if alias == Alias.CHAMPION:
        told = {"version": version.number, "replaced": holder.number if holder else None, "reason": reason}
        webhooks.emit(project=version.project, event="model.champion", payload=told)
    if kind != "gate":
        change = {alias: [holder.number if holder else None, version.number], "reason": reason}
        audit.write(project=version.project, user=user, action=f"model_{kind}", changes=change)
    transaction.on_commit(lambda: _tell_moved(version.project_id))
    return version


@transaction.atomic
def take_alias(*, version: ModelVersion, kind: str, reason: str, user: Any) -> ModelVersion:
    """Take the alias from the version, which nobody holds then."""
    lock(version.project_id)
    alias, version.alias, version.decision = version.alias, "", reason
    version.save(update_fields=["alias", "decision"])
    AliasChange.objects.create(
        project_id=version.project_id, version=version, alias=alias, user=user, kind=kind, reason=reason
    )
    change = {alias: [version.number, None], "reason": reason}
    audit.write(project=version.project, user=user, action=f"model_{kind}", changes=change)
    transaction.on_commit(lambda: _tell_moved(version.project_id))
    return version


def _tell_moved(project_id: int) -> None:
    for tell in MOVED:
        tell(project_id)


def lock(project_id: int) -> None:
    """Versions of one project are numbered and promoted one at a time."""
    Project.objects.select_for_update(no_key=True).only("pk").get(pk=project_id)


def champion_of(project: Project) -> ModelVersion | None:
    return ModelVersion.objects.champions().filter(project=project).select_related("run").first()


def champion_and_measured(project: Project) -> tuple[ModelVersion | None, int]:
    """The champion, and the newest version with figures on the same images (0: none), by one query: pages ask often."""
    versions = ModelVersion.objects.filter(project=project)
    newest = versions.exclude(same_images={}).order_by("-number").values("number")[:1]
    first = versions.annotate(measured=Subquery(newest), is_champion=Q(alias=Alias.CHAMPION)).select_related("run")
    version = first.order_by("-is_champion").first()
    if version is None:
        return None, 0
    return version if version.is_champion else None, version.measured or 0


def champion_of_question(project: Project) -> ModelVersion | None:
    """The champion, if what it learned is what the project asks: what may order, suggest, label and be judged."""
    champions = ModelVersion.objects.of_primary_question().champions().filter(project=project)
    return champions.select_related("run", "project").first()


def champion_of_other_question(project: Project) -> ModelVersion | None:
    """The champion, if the project asks another question by now than it learned: what its owner is to know."""
    if champion_of_question(project) is not None:
        return None
    champions = ModelVersion.objects.champions().filter(project=project)
    return champions.select_related("run__snapshot__question").first()


def previous_champion(project: Project) -> ModelVersion | None:
    """The version that the present champion replaced, by the audit trail; what a rollback goes back to.

    Each rollback steps one further back: changes that were rolled back are passed over.
    """
    champion = champion_of(project)
    stack: list[int] = []
    changes = AliasChange.objects.filter(project=project, alias=Alias.CHAMPION).order_by("created_at", "id")
    for version_id, kind in changes.values_list("version_id", "kind"):
        if kind == "rollback" and stack:
            stack.pop()
        if not stack or stack[-1] != version_id:
            stack.append(version_id)
    while stack and (champion is None or stack[-1] == champion.pk):
        stack.pop()
    return ModelVersion.objects.filter(pk=stack[-1]).first() if stack else None


def _drop_old_challenger(version: ModelVersion) -> None:
    """A challenger older than the new champion has nothing left to challenge."""
    why = gettext("A newer version is champion.")
    for old in ModelVersion.objects.challengers().filter(project=version.project_id, number__lt=version.number):
        old.alias = ""
        old.save(update_fields=["alias"])
        AliasChange.objects.create(
            project_id=version.project_id, version=old, alias=Alias.CHALLENGER, kind="withdraw", reason=why
        )
