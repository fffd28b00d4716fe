"""The zoo: every network that a project can stand on, and the line of networks that the field teaches."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling.accounts.permissions import visible_projects
from training import plots
from training.models import ModelVersion
from training.zoo import table


@login_required
def backbones(request: HttpRequest) -> HttpResponse:
    """With ``?project=slug``, what each backbone achieved on that project's own labels."""
    project = visible_projects(request.user).filter(slug=request.GET.get("project", "")).first()
    errors: dict[str, float] = {}
    if project is not None:
        rows = ModelVersion.objects.filter(project=project, metrics__top1_error__isnull=False).order_by("number")
        errors = dict(rows.values_list("run__backbone", "metrics__top1_error"))
    context = {
        "entries": [(entry, errors.get(entry.key)) for entry in table.entries(settings.KERAS_HOME, project)],
        "historic": [(step, errors.get(step.key)) for step in table.HISTORIC],
        "plot": plots.historic_line([(step.name, step.year, step.top5_error) for step in table.HISTORIC]),
        "project": project,
    }
    return render(request, "training/backbones.html", context)
