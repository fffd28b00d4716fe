"""Seeing into a version: labels that it doubts, an image's nearest neighbours, and what the network's layers see."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from labeling.files import storage
from labeling.models import Image, Project, Task
from labeling.views.numbers import whole
from labeling.views.owner.context import context_of, load_project, refusals
from training import services
from training.features import heldout as heldout_images
from training.features import insights as looking
from training.learning.errors import LearningError
from training.models import ModelVersion
from training.snapshots import labels
from training.versions.champions import champion_of
from training.views.training import read

SUSPECTS_SHOWN = 48
HELD_OUT_SHOWN = 96


@login_required
def insights(request: HttpRequest, slug: str) -> HttpResponse:
    """``?version=`` chooses a version (else the champion), ``?image=`` the image to look at (else a doubtful one)."""
    project = load_project(request, slug)
    context = context_of(request, project, tab="models")
    version = _version(project, request.GET.get("version", ""))
    context["version"] = version
    if version is not None:
        names = labels.category_names(version.run.snapshot.question)
        gold = Exists(Task.objects.filter(image=OuterRef("image"), is_gold=True))
        rows = labels.uncorrected(version).select_related("image").annotate(is_gold=gold)
        suspects = list(rows[:SUSPECTS_SHOWN])
        image = _image(project, version, request.GET.get("image", ""))
        decidable = [suspect for suspect in suspects if not suspect.is_gold]
        at = whole(request.GET.get("at")) % len(decidable) if decidable else 0
        context.update(
            doubt=_tile(decidable[at].image, names, decidable[at]) if decidable else None,
            doubt_url=storage.image_url(decidable[at].image) if decidable else "",
            at=at,
            has_next=len(decidable) > 1,
            suspects=[_tile(suspect.image, names, suspect) for suspect in suspects],
            can_send=any(not suspect.is_gold and suspect.sent_at is None for suspect in suspects),
            image=image,
            retrained="tail.npz" in version.manifest.get("files", {}),
            **(_layers(version, image) if image else {}),
            image_url=storage.image_url(image) if image else "",
            reading=read(version, names)["reading"],
            neighbours=[
                {
                    **_tile(near.image, names, None),
                    "label": names.get(near.label, near.label),
                    "likeness": near.likeness,
                }
                for near in (looking.neighbours_of(version, image) if image else [])
            ],
        )
    return render(request, "training/insights.html", context)


@login_required
@require_POST
def decide(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep a doubted label or take the model's, and show the next one."""
    project = load_project(request, slug, "manage")
    version = _version(project, request.POST.get("version", ""))
    at = whole(request.POST.get("at"))
    if version is not None:
        with refusals(request):
            keeps = request.POST.get("take") == "label"
            pk = whole(request.POST.get("suspect"))
            services.decide_suspect(version=version, suspect_id=pk, keeps=keeps, user=request.user)
            messages.success(request, _("Decided."))
    shown = f"?version={version.number}&at={at}#suspects" if version else ""
    return redirect(reverse("project-insights", args=[slug]) + shown)


@login_required
@require_POST
def send(request: HttpRequest, slug: str) -> HttpResponse:
    """Let the crowd label the chosen images again."""
    project = load_project(request, slug, "manage")
    version = _version(project, request.POST.get("version", ""))
    ids = [whole(text) for text in request.POST.getlist("suspects")]
    if version is not None:
        with refusals(request):
            count = services.send_back(version=version, suspect_ids=ids, user=request.user)
            text = ngettext("%d image goes back to the crowd.", "%d images go back to the crowd.", count)
            messages.success(request, text % count)
    shown = f"?version={version.number}" if version else ""
    return redirect(reverse("project-insights", args=[slug]) + shown)


@login_required
def picture(request: HttpRequest, slug: str, number: int, image_id: int, name: str) -> HttpResponse:
    """A PNG of what a layer sees: made when the page was shown, never changed."""
    project = load_project(request, slug, "manage")
    version = get_object_or_404(ModelVersion.objects.select_related("run"), project=project, number=number)
    data = looking.picture(version, get_object_or_404(Image, project=project, pk=image_id), name)
    if data is None:
        raise Http404
    return HttpResponse(data, content_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


@login_required
def heldout(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The images behind a cell of a version's confusion matrix: ``?label=`` of them, and what it ``said``."""
    project = load_project(request, slug)
    context = context_of(request, project, tab="models")
    rows = ModelVersion.objects.filter(project=project).select_related("run__snapshot__question")
    version = get_object_or_404(rows, number=number)
    label, said = request.GET.get("label", ""), request.GET.get("said", "")
    if not {label, said} <= set(version.categories):
        raise Http404
    names = labels.category_names(version.run.snapshot.question)
    context |= {"version": version, "label": names.get(label, label), "said": names.get(said, said)}
    context["reversed"] = urlencode({"label": said, "said": label})
    try:
        found = heldout_images.behind(version, label, said)
        context["reverse"] = len(heldout_images.behind(version, said, label)) if label != said else 0
    except LearningError as error:
        context["problem"] = error.message
    else:
        context["count"] = len(found)
        context["tiles"] = [
            {"image": row.image, "url": storage.image_url(row.image, "thumbnail"), "probability": row.probability}
            for row in found[:HELD_OUT_SHOWN]
        ]
    return render(request, "training/heldout.html", context)


def _layers(version: ModelVersion, image: Image) -> dict[str, Any]:
    """``layers``, or why they cannot be shown."""
    try:
        found = looking.layer_pictures(version, image)
    except LearningError as error:
        return {"no_layers": error.message}
    for row in found["maps"] if found else []:
        row["words"] = _words(row["depth"])
    return {"layers": found}


def _words(depth: float) -> str:
    """What to look for at this depth."""
    if depth < 0.15:
        return _("Edges, colours and plain light or dark: nearly every network begins like this.")
    if depth < 0.5:
        return _("Textures, corners and repeated patterns; a map lights up where its pattern is.")
    if depth < 0.9:
        return _("Parts of things; maps grow coarse and most of them stay dark for most pictures.")
    return _("Whole things: each map is a few cells, and their averages are the features that the classifier weighs.")


def _version(project: Project, number: str) -> ModelVersion | None:
    rows = ModelVersion.objects.filter(project=project).select_related("run__snapshot__question")
    if whole(number):
        return get_object_or_404(rows, number=whole(number))
    champion = champion_of(project)
    return rows.filter(pk=champion.pk).first() if champion else rows.order_by("-number").first()


def _image(project: Project, version: ModelVersion, wanted: str) -> Image | None:
    if whole(wanted):
        return get_object_or_404(Image, project=project, pk=whole(wanted))
    suspect = labels.uncorrected(version).select_related("image").first()
    return suspect.image if suspect else Image.objects.filter(project=project).order_by("id").first()


def _tile(image: Image, names: dict[str, str], suspect: Any) -> dict[str, Any]:
    tile: dict[str, Any] = {"image": image, "url": storage.image_url(image, "thumbnail"), "suspect": suspect}
    if suspect is not None:
        tile["label"] = names.get(suspect.label, suspect.label)
        tile["predicted"] = names.get(suspect.predicted, suspect.predicted)
    return tile
