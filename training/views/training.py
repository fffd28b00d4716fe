"""The Training tab: when the next run is due, train now, watch a run, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling.models import Project
from labeling.views.owner.context import context_of, load_project, refusals
from training import plots, reading, services
from training.forms import PolicyForm, RunForm
from training.models import ModelVersion, TrainingPolicy, TrainingRun
from training.snapshots import labels
from training.versions import champions
from training.zoo import catalogue

RUNS_SHOWN = 25
VERSIONS_SHOWN = 50


@login_required
def training(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug)
    context = context_of(request, project, tab="training")
    policy = TrainingPolicy.of(project)
    context.update(
        run_form=RunForm(
            initial={name: getattr(policy, name) for name in ("backbone", "recipe", "augmentation", "mirror")},
            project=project,
        ),
        policy_form=PolicyForm(instance=policy),
        **_now(project),
        **_runs(project),
        **progress_of(newest_versions(project)),
    )
    return render(request, "training/training.html", context)


@login_required
def live(request: HttpRequest, slug: str) -> HttpResponse:
    """A fragment that asks for itself again: the run that is live, or when the next one is due.

    Where another run is live than the page knows of, or none, the table of runs comes with it; where versions were
    measured on other images since, what training has brought.
    """
    project = load_project(request, slug, "manage")
    context: dict[str, Any] = {"project": project, **_now(project)}
    run = context.get("run")
    if request.GET.get("run", "") != (str(run.pk) if run else ""):
        context |= {"changed": True, **_runs(project)}
    if request.GET.get("measured", "0") != str(context["measured"]):
        context |= {"measured_anew": True, **progress_of(newest_versions(project))}
    return render(request, "training/_live.html", context)


def _runs(project: Project) -> dict[str, Any]:
    found = TrainingRun.objects.filter(project=project).summarised().order_by("-created_at")
    runs = list(found[:RUNS_SHOWN])
    return {"runs": runs, "titles": titles_of(runs)}


def titles_of(runs: Iterable[TrainingRun]) -> dict[str, str]:
    """The names of the runs' backbones as the other pages say them; one that is gone has its key alone."""
    known = {key: catalogue.known(key) for key in {run.backbone for run in runs}}
    return {key: backbone.title for key, backbone in known.items() if backbone is not None}


def _now(project: Project) -> dict[str, Any]:
    """The champion; the live run, or when the next is due; and ``measured``, the newest version with figures on the
    same images."""
    champion, measured = champions.champion_and_measured(project)
    found = {"champion": champion, "measured": measured}
    run = TrainingRun.objects.live().filter(project=project).first()
    if run is None:
        return {**found, "decision": services.recent_decision(project)}
    return {**found, "run": run, "loss": plots.loss_curve(run), "accuracy": plots.accuracy_curve(run)}


@login_required
def summary(request: HttpRequest, slug: str) -> HttpResponse:
    """A fragment for the overview: the champion, how good each version is, and the next run."""
    project = load_project(request, slug, "review")
    versions = newest_versions(project)
    now = _now(project)
    suspects = labels.uncorrected(now["champion"]).filter(sent_at=None).count() if now["champion"] else 0
    context = {"suspects": suspects, "latest": versions[-1] if versions else None, **progress_of(versions), **now}
    return render(request, "training/_summary.html", {"project": project, **context})


def newest_versions(project: Project) -> list[ModelVersion]:
    """Those that a plot shows, from the oldest to the newest."""
    return list(ModelVersion.objects.filter(project=project).summarised().order_by("-number")[:VERSIONS_SHOWN])[::-1]


def progress_of(versions: list[ModelVersion]) -> dict[str, Any]:
    """What training has brought, as a sentence and as a plot."""
    return {
        "plot": plots.accuracy_by_version(versions),
        "progress": plots.progress(versions),
        "better": reading.better(versions),
        "versions": versions,
    }


@login_required
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Train now."""
    project = load_project(request, slug, "manage")
    form = RunForm(request.POST, project=project)
    if not form.is_valid():
        messages.error(request, _("Choose a backbone and a recipe of the list."))
    else:
        wishes = dict(form.cleaned_data)
        options = {"mirror": wishes.pop("mirror")}
        with refusals(request):
            services.request_run(project=project, cause="person", requested_by=request.user, options=options, **wishes)
            messages.success(request, _("The run is queued."))
    return redirect("project-training", slug)


@login_required
@require_POST
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """When and how to train by itself."""
    project = load_project(request, slug, "manage")
    form = PolicyForm(request.POST, instance=TrainingPolicy.of(project))
    if not form.is_valid():
        context = context_of(request, project, tab="training", policy_form=form, run_form=RunForm(project=project))
        context |= _now(project) | _runs(project) | progress_of(newest_versions(project))
        return render(request, "training/training.html", context, status=400)
    with refusals(request):
        services.set_policy(project=project, changes=form.changes(), user=request.user)
        messages.success(request, _("Saved."))
    return redirect("project-training", slug)


@login_required
def run(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    """Everything about one run."""
    row = run_of(request, slug, run_id)
    context = context_of(request, row.project, tab="training", **run_context(row))
    return render(request, "training/run.html", context)


@login_required
def run_live(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    """The fragment of the run's page that changes while it works."""
    row = run_of(request, slug, run_id)
    return render(request, "training/_run.html", {"project": row.project, **run_context(row)})


@login_required
@require_POST
def cancel(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    with refusals(request):
        services.cancel_run(run=run_of(request, slug, run_id))
    return redirect("project-training-run", slug, run_id)


def run_of(request: HttpRequest, slug: str, run_id: UUID) -> TrainingRun:
    project = load_project(request, slug, "manage")
    rows = TrainingRun.objects.select_related("project", "snapshot__question", "requested_by", "model_version")
    row = rows.filter(project=project, pk=run_id).first()
    if row is None:
        raise Http404
    return row


def run_context(row: TrainingRun) -> dict[str, Any]:
    """What the run's page and its live part show."""
    names = labels.category_names(row.snapshot.question)
    context: dict[str, Any] = {
        "run": row,
        "backbone": catalogue.known(row.backbone),
        "version": getattr(row, "model_version", None),
        "loss": plots.loss_curve(row),
        "accuracy": plots.accuracy_curve(row),
        "balance": plots.class_balance(row.snapshot, names),
        "left_out": [(names.get(key, key), n) for key, n in row.snapshot.left_out.items()],
        "log": [{**line, "at": datetime.fromisoformat(line["at"])} for line in reversed(row.log)],
    }
    if row.metrics.get("count"):
        context.update(figures_of(row.metrics, row.snapshot.categories, names, context["version"]))
    if context["version"]:
        context |= read(context["version"], names)
    return context


def read(version: ModelVersion, names: dict[str, str]) -> dict[str, Any]:
    """What a version's pages begin with: ``reading``, and a version that may be ``better`` than the champion."""
    called = [names.get(key, key) for key in version.categories]
    measured = ModelVersion.objects.filter(project=version.project).exclude(same_images={}).slim()
    return {
        "reading": reading.of_version(version, called, behind(version)),
        "better": reading.better(list(measured.order_by("number"))),
    }


def behind(version: ModelVersion) -> Callable[[int, int], str]:
    """The address of the images behind a cell of the version's confusion matrix."""
    url = reverse("project-model-heldout", args=[version.project.slug, version.number])
    keys = version.categories
    return lambda label, said: f"{url}?{urlencode({'label': keys[label], 'said': keys[said]})}"


def figures_of(
    metrics: dict[str, Any], categories: list[str], names: dict[str, str], version: ModelVersion | None = None
) -> dict[str, Any]:
    """The plots and the per-class table of a set of metrics; those of a version lead to the images behind a cell."""
    per_class = metrics.get("per_class", {})
    return {
        "metrics": metrics,
        "top5_error_interval": of_error(metrics.get("top5_interval")),
        "confusion": plots.confusion(metrics, categories, names, behind(version) if version else None),
        "reliability": plots.reliability(metrics),
        "per_class": [(names.get(key, key), per_class[key]) for key in categories if key in per_class],
    }


def of_error(interval: list[float] | None) -> list[float] | None:
    """The interval of an error out of that of the accuracy."""
    return [1 - end for end in interval[::-1]] if interval else None
