"""What every page of a project stands on: the project, the person's role in it, and the tabs that the role opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions

from labeling.accounts import archived
from labeling.accounts.permissions import RANK, Right, require, role_of
from labeling.errors import CrowdtuneError
from labeling.models import Project, Role


@dataclass(frozen=True)
class Tab:
    """One tab; ``path`` follows ``/projects/<slug>/``, since training and inference answer for some of them."""

    name: str
    label: str | Promise
    path: str
    right: Right


TABS = (
    Tab("overview", _("Overview"), "", "review"),
    Tab("images", _("Images"), "images/", "review"),
    Tab("tasks", _("Tasks"), "tasks/", "review"),
    Tab("workers", _("Workers"), "workers/", "manage"),
    Tab("labels", _("Labels"), "labels/", "review"),
    Tab("review", _("Review"), "review/", "review"),
    Tab("training", _("Training"), "training/", "manage"),
    Tab("models", _("Models"), "models/", "manage"),
    Tab("serving", _("Serving"), "serving/", "manage"),
    Tab("settings", _("Settings"), "settings/", "manage"),
)


def load_project(request: HttpRequest, slug: str, right: Right = "manage", *, even_archived: bool = False) -> Project:
    """The project, for a person who has the right; an archived one is only read, unless ``even_archived``.

    Raises:
        Http404: There is none, or a stranger asks.
        PermissionDenied: A member asks for more than the role allows, or for a change of an archived project.
    """
    project = Project.objects.select_related("owner").filter(slug=slug).first()
    if project is None:
        raise Http404
    try:
        require(request.user, project, right)
    except exceptions.NotFound as error:
        raise Http404 from error
    except exceptions.PermissionDenied as error:
        raise PermissionDenied(str(error.detail)) from error
    if not even_archived:
        try:
            archived.refuse_change(project, request.method)
        except CrowdtuneError as error:
            raise PermissionDenied(error.message) from error
    return project


def context_of(request: HttpRequest, project: Project, *, tab: str, **more: Any) -> dict[str, Any]:
    """The context of a template that extends ``projects/base.html``."""
    role = role_of(request.user, project)
    manages = role is not None and RANK[Role(role)] >= RANK[Role.MANAGER]
    tabs = [
        {"name": t.name, "label": t.label, "url": f"/projects/{project.slug}/{t.path}"}
        for t in TABS
        if manages or t.right == "review"
    ]
    return {"project": project, "role": role, "manages": manages, "tab": tab, "tabs": tabs, **more}


Row = TypeVar("Row", bound=Model)


def still_there(rows: QuerySet[Row], pk: int, gone: str) -> Row:
    """The row of a button of a list.

    Raises:
        CrowdtuneError: not_found, it is gone since the page was loaded, which is told on the page and not in its place.
    """
    row = rows.filter(pk=pk).first()
    if row is None:
        raise CrowdtuneError("not_found", gone, 404)
    return row


@contextmanager
def refusals(request: HttpRequest) -> Iterator[None]:
    """A refusal of a verb becomes a message on the next page instead of an error page."""
    try:
        yield
    except CrowdtuneError as error:
        messages.error(request, error.message)
