"""The bake-off page: choose candidates, watch, see who wins at what cost, and take the winner."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling import jobs
from labeling.models import Job, Project
from labeling.views.numbers import whole
from labeling.views.owner.context import context_of, load_project, refusals
from training import plots, reading, services
from training.learning.networks import weights
from training.models import FROM_SCRATCH, Snapshot
from training.services.bakeoffs import COMPACT, KIND
from training.views.training import of_error
from training.zoo import table

RECIPES = (
    ("feature_extraction", False),
    ("feature_extraction", True),
    ("fine_tuning", False),
    ("fine_tuning", True),
    ("fine_tuning_deeper", False),
    ("fine_tuning_deeper", True),
    (FROM_SCRATCH, True),
)
# The experiment that every course teaches: what is each step of transfer learning worth?
COURSE = ((FROM_SCRATCH, True), *RECIPES[:4])


@login_required
def bake_off(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug)
    context = context_of(request, project, tab="training")
    usable = [entry for entry in table.entries(settings.KERAS_HOME, project) if entry.is_usable]
    best = weights.best_available(settings.KERAS_HOME)
    usable.sort(key=lambda entry: entry.key != best)  # it comes first, and so is among those that are ticked
    context.update(
        usable=usable,
        recipes=[
            (f"{recipe}:{augmentation:d}", _recipe_name(recipe, augmentation)) for recipe, augmentation in RECIPES
        ],
        course=[f"{recipe}:{augmentation:d}" for recipe, augmentation in COURSE],
        course_on=next((entry for entry in usable if entry.key == best), None),
        **_last(project),
    )
    return render(request, "training/bakeoff.html", context)


@login_required
def live(request: HttpRequest, slug: str) -> HttpResponse:
    """The fragment that changes while candidates are measured."""
    project = load_project(request, slug, "manage")
    return render(request, "training/_bakeoff.html", {"project": project, **_last(project)})


@login_required
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "manage")
    recipes = [choice.partition(":") for choice in request.POST.getlist("recipes")]
    candidates = [
        {"backbone": backbone, "recipe": recipe, "augmentation": augmentation == "1"}
        for backbone in request.POST.getlist("backbones")
        for recipe, _colon, augmentation in recipes
        if recipe != FROM_SCRATCH
    ]
    if any(recipe == FROM_SCRATCH for recipe, _colon, _augmentation in recipes):  # once: it has no backbone
        candidates.insert(0, {"backbone": COMPACT, "recipe": FROM_SCRATCH, "augmentation": True})
    with refusals(request):
        services.start_bake_off(project=project, candidates=candidates, requested_by=request.user)
    return redirect("project-bake-off", slug)


@login_required
@require_POST
def use(request: HttpRequest, slug: str, job_id: UUID) -> HttpResponse:
    """Make one candidate the project's recipe."""
    job = _job(request, slug, job_id)
    number = whole(request.POST.get("candidate"), -1)
    with refusals(request):
        services.use_candidate(job=job, number=number, user=request.user)
        title = job.result["rows"][number]["title"]
        messages.success(request, _("Runs use %(backbone)s from now on.") % {"backbone": title})
    return redirect("project-bake-off", slug)


@login_required
@require_POST
def cancel(request: HttpRequest, slug: str, job_id: UUID) -> HttpResponse:
    jobs.cancel(job=_job(request, slug, job_id))
    return redirect("project-bake-off", slug)


def _job(request: HttpRequest, slug: str, job_id: UUID) -> Job:
    return get_object_or_404(Job, project=load_project(request, slug, "manage"), kind=KIND, pk=job_id)


def _last(project: Project) -> dict[str, Any]:
    """The last comparison; where that was cancelled or failed without a word, what the one before it found stays."""
    found = Job.objects.filter(project=project, kind=KIND).order_by("-created_at")
    job = shown = found.first()
    if job is not None and job.state in (Job.State.CANCELLED, Job.State.FAILED) and not job.result.get("rows"):
        shown = found.filter(state=Job.State.SUCCEEDED).first() or job
    rows: list[dict[str, Any]] = shown.result.get("rows", []) if shown else []
    held_out, gap = plots.transfer_curves(rows)
    return {
        "held_out": held_out,
        "gap": gap,
        "job": job,
        "shown": shown,
        "said": reading.of_comparison(rows, _held_out(shown)) if shown else [],
        "rows": [{**row, "error_interval": of_error(row.get("interval"))} for row in rows],
        "measured": sum(row.get("top1_error") is not None for row in rows),
        "is_live": job is not None and job.is_live,
        "has_top5": shown is not None and _categories(shown) > 5,
        "by_latency": plots.pareto(
            rows,
            cost="latency",
            title=_("Error and time to answer"),
            x_label=_("Seconds for one image"),
            unit="seconds",
        ),
        "by_size": plots.pareto(
            rows, cost="megabytes", title=_("Error and size"), x_label=_("Megabytes in memory"), unit="number"
        ),
    }


def _recipe_name(recipe: str, augmentation: bool) -> str:
    if recipe == FROM_SCRATCH:
        return _("From scratch, augmented")
    if recipe == "fine_tuning_deeper":
        return _("Fine-tuning, deeper, augmented") if augmentation else _("Fine-tuning, deeper")
    if recipe == "fine_tuning":
        return _("Fine-tuning, augmented") if augmentation else _("Fine-tuning")
    return _("Feature extraction, augmented") if augmentation else _("Feature extraction")


def _held_out(job: Job) -> int:
    """How many images the candidates were measured on."""
    counts = Snapshot.objects.filter(pk=job.arguments["snapshot"]).values_list("counts", flat=True)
    return sum(sum(sides.get("test", {}).values()) for sides in counts)


def _categories(job: Job) -> int:
    """Among how many the candidates chose."""
    return sum(map(len, Snapshot.objects.filter(pk=job.arguments["snapshot"]).values_list("categories", flat=True)))
