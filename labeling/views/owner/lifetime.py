"""How a project goes on as another one, comes to rest, changes hands, or ends: copy, archive, hand over, delete."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling import services
from labeling.accounts import earnings
from labeling.models import Membership, Role
from labeling.services.archiving import Rest
from labeling.services.copying import Copier
from labeling.views.owner.context import context_of, load_project, refusals


@login_required
@require_POST
def copy(request: HttpRequest, slug: str, others: Sequence[Copier] = ()) -> HttpResponse:
    """A new project of whoever asks, like this one; it waits for images."""
    assert request.user.is_authenticated  # login_required
    project = load_project(request, slug, even_archived=True)
    then = ("project-danger", slug)
    with refusals(request):
        made = services.copy_project(
            project=project, user=request.user, name=request.POST.get("name", ""), others=others
        )
        messages.success(request, _("This is the copy. Now its images, and its people."))
        then = ("project-images", made.slug)
    return redirect(*then)


@login_required
@require_POST
def archive(request: HttpRequest, slug: str, others: Sequence[Rest] = ()) -> HttpResponse:
    """Archive the project, or reopen it."""
    project = load_project(request, slug, even_archived=True)
    with refusals(request):
        if request.POST.get("action") == "reopen":
            services.reopen_project(project=project, user=request.user)
            messages.success(request, _("%(name)s is open again.") % {"name": project.name})
            return redirect("project-overview", slug)
        services.archive_project(project=project, user=request.user, others=others)
        messages.success(request, _("%(name)s is archived.") % {"name": project.name})
    return redirect("project-danger", slug)


@login_required
@require_POST
def hand_over(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, even_archived=True)
    with refusals(request):
        made = services.hand_over_project(project=project, username=request.POST.get("username", ""), by=request.user)
        messages.success(request, _("%(username)s owns the project now.") % {"username": made.owner.username})
    return redirect("project-danger", slug)


@login_required
def danger(request: HttpRequest, slug: str) -> HttpResponse:
    """Copy, archive; hand over and delete only by the owner, and delete only by typing its name."""
    project = load_project(request, slug, even_archived=True)
    is_owner = project.owner_id == request.user.pk or request.user.is_superuser
    if request.method == "POST" and is_owner:
        if request.POST.get("name", "").strip() == project.slug:
            services.delete_project(project=project)
            messages.success(request, _("%(name)s is deleted.") % {"name": project.name})
            return redirect("project-list")
        messages.error(request, _("That is not the project's address, so nothing was deleted."))
    people, owed = earnings.total_owed(project)
    context = context_of(request, project, tab="settings", section="danger", is_owner=is_owner)
    context |= {"people": people, "owed": owed, "successors": services.successors(project).select_related("user")}
    context["has_managers"] = Membership.objects.filter(project=project, role=Role.MANAGER).exists()
    return render(request, "projects/danger.html", context)
