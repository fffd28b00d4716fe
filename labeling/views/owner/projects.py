"""The list of projects."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling.models import Membership, Project, Role
from labeling.views.owner import keyset


def runs(user: Any) -> QuerySet[Project]:
    """The projects that the person owns, manages or reviews; all of them for a superuser."""
    if user.is_superuser:
        return Project.objects.all()
    roles = [Role.OWNER, Role.MANAGER, Role.REVIEWER]
    joined = Membership.objects.filter(user_id=user.pk, role__in=roles).values("project_id")
    return Project.objects.filter(Q(owner_id=user.pk) | Q(pk__in=joined))


@login_required
def project_list(request: HttpRequest) -> HttpResponse:
    page = keyset.page(request, runs(request.user).select_related("owner"), size=30)
    return render(request, "projects/list.html", {"page": page})
