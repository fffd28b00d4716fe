"""People in a project: added, invited, paused, resumed, removed; and who owns it."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling import audit
from labeling.accounts import archived, people, permissions
from labeling.accounts.keys import SCOPES, create_key
from labeling.collecting import leases
from labeling.errors import CrowdtuneError
from labeling.models import Appeal, Assignment, Departure, Gold, Judgment, Membership, Project, Role
from labeling.resilience import races
from labeling.text.words import gettext as _

LABELERS = ("label",)  # what a worker's key may be used for


def add_member(
    *, project: Project, username: str, role: str = Role.WORKER, by: Any = None
) -> tuple[Membership, str | None]:
    """Give a person a role; a name that is not known becomes an account of a worker of an outside crowd.

    Returns:
        The membership, and the text of a new key (shown once) when the account was made here or belongs to a worker
        made so before; None for a person who has an account of their own.
    """
    if role not in dict(permissions.GIVEN):
        raise CrowdtuneError(
            "invalid",
            _("role must be worker, reviewer or manager; got %(role)s.") % {"role": repr(role)},
            field="role",
        )
    with transaction.atomic():
        user = _user(username)
        if user.pk == project.owner_id:
            raise CrowdtuneError(
                "is_owner",
                _("%(username)s owns the project and can do everything in it.") % {"username": user.username},
                409,
            )
        member, created = Membership.objects.get_or_create(
            project=project,
            user=user,
            defaults={"role": role, "phase": first_phase(project), **_record(project, user.pk)},
        )
        _check_rank(by, project, role, member.role)
        if created:
            audit.write(
                project=project, user=by, action="member_added", changes={"username": user.username, "role": role}
            )
        elif member.role != role:
            _change_role(member, role, by)
        key = None
        if _keyless(user):
            # Of this project alone: another owner who adds the same name must not get in here by it.
            scopes = LABELERS if role == Role.WORKER else SCOPES  # what it opens is bounded by the role all the same
            row, key = create_key(user=user, name=project.slug, scopes=scopes, project=project)
            if not created:
                changes = {"username": user.username, "prefix": row.prefix, "scopes": ", ".join(scopes)}
                audit.write(project=project, user=by, action="key_created", changes=changes)
    return member, key


def _check_rank(by: Any, project: Project, *roles: str) -> None:
    """Only an owner makes managers, and changes them; ``by`` is None where a rule or the platform itself acts.

    Raises:
        CrowdtuneError: permission_denied.
    """
    is_above = not {Role.MANAGER, Role.OWNER}.isdisjoint(roles)
    if by is not None and is_above and permissions.role_of(by, project) != Role.OWNER:
        raise CrowdtuneError("permission_denied", _("Only the owner makes somebody a manager, or changes one."), 403)


def _user(username: str) -> User:
    username = people.plain_name(username.strip())
    user = people.known_as(username)
    if user is not None:
        return user
    try:
        for check in people.NAME_CHECKS:
            check(username)
    except ValidationError as error:
        raise CrowdtuneError(
            "invalid",
            _("username: %(messages)s") % {"messages": error.messages[0]},
            fields={"username": error.messages},
        ) from error
    return User.objects.get_or_create(username=username, defaults={"password": make_password(None)})[0]


def _keyless(user: User) -> bool:
    """Whether the account was made for an outside crowd: it has no password, so a key is its only way in."""
    return not user.has_usable_password() and not user.is_staff


def ensure_member(*, project: Project, user: Any) -> Membership:
    """The person's membership; a visitor of an open project becomes a worker of it."""
    member = Membership.objects.filter(project=project, user_id=user.pk).first()
    if member is not None:
        return member
    archived.refuse(project)
    role = Role.OWNER if project.owner_id == user.pk else Role.WORKER
    phase = Membership.Phase.WORKING if role == Role.OWNER else first_phase(project)
    values = {"role": role, "phase": phase, **_record(project, user.pk)}
    return Membership.objects.get_or_create(project=project, user_id=user.pk, defaults=values)[0]


def _record(project: Project, user_id: int) -> dict[str, Any]:
    """What the person said here before, when they come back: it is owed. So is what came of it."""
    return Departure.of(project, user_id) or Judgment.objects.filter(
        project=project, worker_id=user_id, withdrawn_at=None
    ).aggregate(
        judgment_count=Count("id"),
        seconds=Coalesce(Sum("seconds"), 0.0),
        earned=Coalesce(Sum("price"), Decimal(0)),
    )


def first_phase(project: Project) -> str:
    """Where a new worker begins: with practice or the test where the owner has made them."""
    uses = set(Gold.objects.filter(task__project=project).order_by().values_list("use", flat=True).distinct())
    if Gold.Use.PRACTICE in uses:
        return Membership.Phase.PRACTICE
    return Membership.Phase.QUALIFICATION if Gold.Use.QUALIFICATION in uses else Membership.Phase.WORKING


def join_by_invite(*, invite: str, user: User) -> Membership:
    """Become a worker of the project whose invitation link this is."""
    for project in Project.objects.at_work().filter(invite=invite)[:1]:
        if secrets.compare_digest(project.invite.encode(), invite.encode()):
            return ensure_member(project=project, user=user)
    raise CrowdtuneError("not_found", _("This invitation is not valid any more. Ask for a new link."), 404)


def change_member(*, member: Membership, role: str, by: Any) -> Membership:
    if role not in dict(permissions.GIVEN) or member.role == Role.OWNER:
        raise CrowdtuneError("invalid", _("role must be worker, reviewer or manager, and not the owner's."))
    if not _is_self(member, by):
        _check_rank(by, member.project, role, member.role)
    with transaction.atomic():
        _change_role(member, role, by)
    return member


def _change_role(member: Membership, role: str, by: Any) -> None:
    changes = {"username": member.user.username, "role": [member.role, role]}
    member.role = role
    member.save(update_fields=["role"])
    audit.write(project=member.project, user=by, action="member_changed", changes=changes)


def successors(project: Project) -> QuerySet[Membership]:
    """Who may become the owner: managers who can sign in, which accounts of an outside crowd cannot."""
    managers = Membership.objects.filter(project=project, role=Role.MANAGER, user__is_active=True)
    return managers.exclude(user__password__startswith=UNUSABLE_PASSWORD_PREFIX).order_by("user__username")


@races.retried
def hand_over_project(*, project: Project, username: str, by: Any) -> Project:
    """Make a manager the project's owner; who owned it manages it from then on.

    Raises:
        CrowdtuneError: permission_denied; invalid where nobody of that name may own it.
    """
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        if permissions.role_of(by, row) != Role.OWNER:
            raise CrowdtuneError("permission_denied", _("Only the owner hands a project over."), 403)
        heir = successors(row).filter(user__username=username).select_related("user").first()
        if heir is None:
            message = _("%(username)s is no manager of the project who can sign in. Make the person a manager first.")
            message %= {"username": username}
            raise CrowdtuneError("invalid", message, field="username")
        before = row.owner
        _set_role(row, before, Role.MANAGER)
        _set_role(row, heir.user, Role.OWNER)
        row.owner = heir.user
        row.save(update_fields=["owner"])
        changes = {"username": [before.username, username]}
        audit.write(project=row, user=by, action="handed_over", changes=changes)
    return row


def _set_role(project: Project, user: User, role: Role) -> None:
    if not Membership.objects.filter(project=project, user=user).update(role=role):
        record = _record(project, user.pk)
        Membership.objects.create(project=project, user=user, role=role, phase=Membership.Phase.WORKING, **record)


def remove_member(*, member: Membership, by: Any) -> None:
    """Take the person out of the project; what they said stays, and what they hold goes to others."""
    if member.role == Role.OWNER:
        raise CrowdtuneError("is_owner", _("The owner cannot be taken out of the project."), 409)
    if not _is_self(member, by):
        _check_rank(by, member.project, member.role)
    with transaction.atomic():
        audit.write(
            project=member.project, user=by, action="member_removed", changes={"username": member.user.username}
        )
        held = Assignment.objects.filter(
            project_id=member.project_id,
            worker_id=member.user_id,
            state__in=[Assignment.State.LEASED, Assignment.State.EXPIRED],
        )
        for pk in held.filter(state=Assignment.State.LEASED).order_by("task_id").values_list("pk", flat=True):
            leases.end(assignment_id=pk, worker_id=member.user_id, state=Assignment.State.RELEASED, reason="")
        held.update(state=Assignment.State.RELEASED)  # one that ran out could be taken again
        # Looked at under its lock: a rule may have lowered the weight since.
        Departure.note(races.held(Membership.objects.all(), member.pk))
        member.delete()


def _is_self(member: Membership, by: Any) -> bool:
    """Whether it is one's own role, which may be laid down: who manages has none to rise to."""
    return by is not None and member.user_id == by.pk


def read_warning(*, project: Project, user: Any) -> None:
    """The worker has read a rule's message; it is not shown again."""
    Membership.objects.filter(project=project, user_id=user.pk).update(warning="")


def pause_worker(*, member: Membership, because: str, by: Any = None) -> Membership:
    _check_rank(by, member.project, member.role)
    because = because[:300] or _("Paused by the owner.")
    with transaction.atomic():
        member.is_paused, member.paused_because, member.paused_at = True, because, timezone.now()
        member.save(update_fields=["is_paused", "paused_because", "paused_at"])
        changes = {"username": member.user.username, "because": because}
        audit.write(project=member.project, user=by, action="worker_paused", changes=changes)
    return member


def resume_worker(*, member: Membership, by: Any) -> Membership:
    """Let the person go on, which also answers an appeal against the pause; one against the test still waits."""
    _check_rank(by, member.project, member.role)
    with transaction.atomic():
        member.is_paused, member.paused_because, member.paused_at = False, "", None
        member.save(update_fields=["is_paused", "paused_because", "paused_at"])
        appeals = member.appeals.filter(state=Appeal.State.OPEN).exclude(membership__phase=Membership.Phase.FAILED)
        if appeals.update(state=Appeal.State.ACCEPTED, decided_by=by, decided_at=timezone.now()):
            tell_accepted(member=member)
        audit.write(
            project=member.project, user=by, action="worker_resumed", changes={"username": member.user.username}
        )
    return member


def tell_accepted(*, member: Membership, answer: str = "") -> None:
    """Who goes on sees no page that tells of appeals: it stands above the next task, as a rule's message."""
    told = _("Your appeal was accepted: %(answer)s") % {"answer": answer} if answer else _("Your appeal was accepted.")
    Membership.objects.filter(pk=member.pk).update(warning=told)


def weigh_worker(*, member: Membership, weight: float, by: Any) -> Membership:
    """Set what the person's judgments weigh in a consensus, those of before too; a rule can only lower it.

    Raises:
        CrowdtuneError: invalid; permission_denied.
    """
    _check_rank(by, member.project, member.role)
    if not 0 <= weight <= 1:
        why = _("A weight is from 0 to 1; got %(weight)s.") % {"weight": weight}
        raise CrowdtuneError("invalid", why, field="weight")
    with transaction.atomic():
        changes = {"username": member.user.username, "weight": [member.weight, weight]}
        member.weight = weight
        member.save(update_fields=["weight"])
        Project.objects.filter(pk=member.project_id).update(answers_version=F("answers_version") + 1)
        audit.write(project=member.project, user=by, action="worker_weighed", changes=changes)
    return member
