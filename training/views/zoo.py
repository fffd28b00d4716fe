"""The zoo: every network that a project can stand on, and the line of networks that the field teaches."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling.accounts.permissions import may
from labeling.models import Job, Project
from training import plots
from training.models import FROM_SCRATCH, ModelVersion, Snapshot
from training.services.bakeoffs import KIND
from training.zoo import table


@login_required
def backbones(request: HttpRequest) -> HttpResponse:
    """With ``?project=slug``, what each backbone achieved on that project's own labels."""
    project = Project.objects.filter(slug=request.GET.get("project", "")).first()
    if project is not None and not may(request.user, project, "manage"):
        project = None  # as its models, which others do not see either
    errors = {} if project is None else _errors_of(project)
    context = {
        "entries": [(entry, errors.get(entry.key)) for entry in table.entries(settings.KERAS_HOME, project)],
        "historic": [(step, errors.get(step.key)) for step in table.HISTORIC],
        "plot": plots.historic_line([(step.name, step.year, step.top5_error) for step in table.HISTORIC]),
        "project": project,
    }
    return render(request, "training/backbones.html", context)


def _errors_of(project: Project) -> dict[str, float]:
    """Backbone -> its error on the project's question: of the newest version on it, else in the last comparison."""
    question = project.primary_question()
    job = Job.objects.filter(project=project, kind=KIND, state=Job.State.SUCCEEDED).order_by("-created_at").first()
    compared: dict[str, float] = {}
    if job is not None and Snapshot.objects.filter(pk=job.arguments["snapshot"], question=question).exists():
        for row in job.result["rows"]:
            if row["recipe"] != FROM_SCRATCH and row["top1_error"] is not None:
                compared[row["backbone"]] = min(row["top1_error"], compared.get(row["backbone"], 1.0))
    rows = ModelVersion.objects.filter(project=project, metrics__top1_error__isnull=False).of_primary_question()
    return compared | dict(rows.order_by("number").values_list("run__backbone", "metrics__top1_error"))
