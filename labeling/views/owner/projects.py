"""The list of projects, and the page that makes one: from nothing to a first task in under a minute."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from labeling import figures, services
from labeling.errors import CrowdtuneError
from labeling.forms.project import NewProjectForm
from labeling.models import Membership, Project, Role
from labeling.surveys.starters import STARTERS
from labeling.views.owner import keyset
from labeling.views.owner.images import bring_in


def runs(user: Any) -> QuerySet[Project]:
    """The projects that the person owns, manages or reviews; all of them for a superuser."""
    if user.is_superuser:
        return Project.objects.all()
    roles = [Role.OWNER, Role.MANAGER, Role.REVIEWER]
    joined = Membership.objects.filter(user_id=user.pk, role__in=roles).values("project_id")
    return Project.objects.filter(Q(owner_id=user.pk) | Q(pk__in=joined))


@login_required
def project_list(request: HttpRequest) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    archived = "archived" in request.GET
    mine = runs(request.user)
    rows = mine.exclude(archived_at=None) if archived else mine.filter(archived_at=None)
    rows = rows.select_related("owner")
    if wanted:
        rows = rows.filter(Q(name__icontains=wanted) | Q(slug__icontains=wanted) | Q(owner__username__iexact=wanted))
    page = keyset.page(request, rows, size=30)
    cut_short = figures.cut_short(*page.rows)
    for row in page.rows:
        done, all_of_it = row.finished
        row.finished_share = max(done - cut_short[row.pk], 0) / all_of_it if all_of_it else 0.0
    context = {"page": page, "wanted": wanted, "archived": archived}
    context["archived_count"] = 0 if archived else mine.exclude(archived_at=None).count()
    return render(request, "projects/list.html", context)


@login_required
def new_project(request: HttpRequest) -> HttpResponse:
    """Ask for what has no good default, make the project, and import the pictures that came along."""
    form = NewProjectForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = _create(request, form)
        except CrowdtuneError as error:
            form.add_error(None, error.message)
        else:
            return redirect(STARTERS[form.cleaned_data["starter"]].page, project.slug)
    context = {"form": form, "starters": STARTERS, "most_files": settings.DATA_UPLOAD_MAX_NUMBER_FILES}
    return render(request, "projects/new.html", context)


def _create(request: HttpRequest, form: NewProjectForm) -> Project:
    assert request.user.is_authenticated  # login_required
    data = form.cleaned_data
    starter = STARTERS[data["starter"]]
    project = services.create_project(
        owner=request.user,
        name=data["name"],
        categories=data["categories"],
        questions=starter.questions(data["prompt"] or str(starter.prompt)),
        workflow=starter.workflow,
        judgments_min=data["judgments_min"],
        judgments_max=data["judgments_max"],
        access=data["access"],
    )
    if data["uploads"]:
        bring_in(project, request.user, uploads=data["uploads"])
        messages.success(request, _("The project is there, and its images are on their way in."))
    else:
        messages.success(request, _("The project is there. Now its images."))
    return project
