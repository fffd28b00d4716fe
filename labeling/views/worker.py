"""What a worker sees: the projects to label in, and the stream of tasks of one."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling.permissions import visible_projects


@login_required
def projects(request: HttpRequest) -> HttpResponse:
    """Every project that this person may label in."""
    return render(request, "labeling/projects.html", {"projects": visible_projects(request.user).order_by("name")})
