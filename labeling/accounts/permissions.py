"""Who may do what in a project. A stranger cannot tell a project that is hidden from one that does not exist."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import Q, QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied

from labeling.models import Job, Membership, Project, Role
from labeling.text.words import gettext as _

Right = Literal["manage", "review", "label", "predict", "see", "view"]

# The least role that has each right, by rank; the owner has all of them. Who only labels may not ask the classifier: it
# would do their work. A project that shows suggestions measures how they are followed.
RANK = {Role.OWNER: 3, Role.MANAGER: 2, Role.REVIEWER: 1, Role.WORKER: 0}
GIVEN = [(role.value, role.label) for role in (Role.WORKER, Role.REVIEWER, Role.MANAGER)]  # the owner's is handed over
NEEDS: dict[str, Role] = {
    "manage": Role.MANAGER,
    "review": Role.REVIEWER,
    "predict": Role.REVIEWER,
    "label": Role.WORKER,
    "see": Role.WORKER,
    "view": Role.WORKER,
}
# What anyone signed in may do in an open project.
OPEN_RIGHTS = {"label", "see", "view"}
# The scopes of which a key needs one for a right; the first is what a refusal names. Every key may view what is asked
# and of which categories. The images it may see only if it labels or manages: a key that predicts lies in programs and
# pages of others.
SCOPES_OF: dict[str, tuple[str, ...]] = {
    "manage": ("manage",),
    "review": ("manage",),
    "label": ("label",),
    "predict": ("predict",),
    "see": ("label", "manage"),
}


def key_opens(user: Any, project: Project) -> bool:
    """Whether the key that the request came with (if any) is good in this project."""
    key = getattr(user, "api_key", None)
    return key is None or key.project_id is None or key.project_id == project.pk


def key_has(user: Any, scope: str) -> bool:
    """Whether the key that the request came with (if any) has the scope."""
    key = getattr(user, "api_key", None)
    return key is None or scope in key.scopes


def key_allows(user: Any, right: Right) -> bool:
    """Whether the key that the request came with (if any) has a scope for the right."""
    key = getattr(user, "api_key", None)
    return key is None or _has_scope(key, right)


def _has_scope(key: Any, right: Right) -> bool:
    needed = SCOPES_OF.get(right)
    return needed is None or any(scope in key.scopes for scope in needed)


def key_fits(key: Any, project: Project, right: Right) -> bool:
    """Whether this key may be used for the right in the project."""
    return (key.project_id is None or key.project_id == project.pk) and _has_scope(key, right)


def reaches(role: str, right: Right) -> bool:
    """Whether the role includes the right."""
    return RANK[Role(role)] >= RANK[NEEDS[right]]


def role_of(user: Any, project: Project) -> str | None:
    """The person's role in the project, or None for a stranger. Superusers own everything."""
    if not key_opens(user, project) or project.deleted_at is not None:
        return None
    if project.owner_id == user.pk or user.is_superuser:
        return Role.OWNER
    return Membership.objects.filter(project=project, user_id=user.pk).values_list("role", flat=True).first()


def outranks(one: Any, other: Any, project: Project) -> bool:
    """Whether the first person's role in the project is above the second's."""
    first, second = role_of(one, project), role_of(other, project)
    return first is not None and (second is None or RANK[Role(first)] > RANK[Role(second)])


def may(user: Any, project: Project, right: Right) -> bool:
    role = role_of(user, project)
    if not key_opens(user, project) or not key_allows(user, right):
        return False
    if role is None:
        return right in OPEN_RIGHTS and project.access == Project.Access.OPEN and user.is_authenticated
    return RANK[Role(role)] >= RANK[NEEDS[right]]


def require(user: Any, project: Project, right: Right) -> None:
    """Return when the person has the right.

    Raises:
        NotFound: A stranger asks.
        PermissionDenied: A member of the project asks for more than the role allows.
    """
    role = role_of(user, project)
    if role is None:
        if project.access != Project.Access.OPEN or not user.is_authenticated or not key_opens(user, project):
            raise NotFound(_("There is no such project, or you are not a member of it."))
        if right not in OPEN_RIGHTS:
            raise PermissionDenied(
                _("This needs the role %(needed)s in the project; you are a visitor of it.")
                % {"needed": NEEDS[right].label}
            )
    elif RANK[Role(role)] < RANK[NEEDS[right]]:
        raise PermissionDenied(
            _("This needs the role %(needed)s in the project; yours is %(role)s.")
            % {"needed": NEEDS[right].label, "role": Role(role).label}
        )
    if not key_allows(user, right):
        raise PermissionDenied(
            _("This key does not have the scope %(scope)s; make one that has.") % {"scope": repr(SCOPES_OF[right][0])}
        )


def may_follow(user: Any, job: Job) -> bool:
    """Whether the person may see a job and what came of it: as long as they may start one like it, and no longer.

    Managers see all; who started one, an export as a reviewer or with the ``right`` that it was given, that one.
    """
    right: Right | None = "review" if job.kind == "export" else job.arguments.get("right")
    is_own = job.requested_by_id == user.pk
    return may(user, job.project, "manage") or (is_own and right is not None and may(user, job.project, right))


def visible_projects(user: Any) -> QuerySet[Project]:
    """The projects that the person can see: own, joined and open ones."""
    key = getattr(user, "api_key", None)
    opened = (
        Project.objects.all() if key is None or key.project_id is None else Project.objects.filter(pk=key.project_id)
    )
    if user.is_superuser:
        return opened
    joined = Membership.objects.filter(user_id=user.pk).values("project_id")
    return opened.filter(Q(owner_id=user.pk) | Q(pk__in=joined) | Q(access=Project.Access.OPEN))
