"""A project's keys, in its settings: all of them, with what they may and how much, and a form for another."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from inference import services
from inference.forms import KeyForm
from inference.models import KeyLimit
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey, Membership, Project, Role
from labeling.services import revoke_key
from labeling.views import shown_once
from labeling.views.owner.context import context_of, load_project, refusals, still_there


class Row(NamedTuple):
    key: ApiKey
    limit: KeyLimit | None
    is_rotatable: bool  # by who looks


@login_required
def keys(request: HttpRequest, slug: str) -> HttpResponse:
    """The keys that open this project alone; the text of a new one is on the page that answers, once."""
    project = load_project(request, slug, even_archived=True)
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and request.user.is_authenticated:
        values = form.cleaned_data | {"scopes": tuple(form.cleaned_data["scopes"])}
        try:
            _row, text = services.make_limited_key(project=project, user=request.user, **values)
        except CrowdtuneError as error:
            form.add_error(None, error.message)
        else:
            return shown_once.go_on(request, text, "project-keys", slug)
    # Each worker of an outside crowd has a key to label with: they would hide the others.
    workers = Membership.objects.filter(project=project, role=Role.WORKER).values("user")
    found = ApiKey.objects.filter(project=project).select_related("user", "project").order_by("-id")
    of_workers = found.filter(scopes=["label"], user__in=workers)
    context: dict[str, Any] = {
        "rows": _rows(request, project, found.exclude(pk__in=of_workers)),
        "of_workers": [Row(key, None, True) for key in of_workers],
        "form": form,
        "new_key": shown_once.take(request),
    }
    page = context_of(request, project, tab="settings", section="keys", **context)
    response = shown_once.page(request, "inference/keys.html", page)
    response.status_code = 400 if form.errors else 200
    return response


def _rows(request: HttpRequest, project: Project, keys: QuerySet[ApiKey]) -> list[Row]:
    limits = KeyLimit.objects.filter(key__in=keys).in_bulk(field_name="key_id")
    return [Row(key, limits.get(key.pk), services.may_rotate(key=key, user=request.user)) for key in keys]


@login_required
@require_POST
def change_key(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Rotate or revoke, by the button that was pressed."""
    project = load_project(request, slug, even_archived=True)
    with refusals(request):
        rows = ApiKey.objects.filter(project=project).select_related("project")
        key = still_there(rows, pk, _("This key is gone: it was revoked, or its time was over."))
        if request.POST.get("do") == "rotate":
            _row, text = services.rotate_key(key=key, user=request.user)
            return shown_once.go_on(request, text, "project-keys", slug)
        revoke_key(key=key, user=request.user)
        messages.success(request, _("The key does not work any more."))
    return redirect("project-keys", slug)
