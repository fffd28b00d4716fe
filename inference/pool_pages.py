"""What the champion says of the images that waited for people: a gallery by category and by how sure it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from inference.models import Deployment, Prediction
from labeling.files.storage import image_url
from labeling.models import Image
from labeling.views.owner import keyset
from labeling.views.owner.context import context_of, load_project
from training.models import ModelVersion
from training.snapshots import labels
from training.versions.champions import champion_of

PAGE = 60
SHOWN = ("image_id", "category", "probability", "is_correct")
COUNT_SECONDS = 30  # categories are counted again after so long: of a million images it takes half a second
MOST_CATEGORIES = 200  # to choose from
ORDERS = {"probability": _("Least sure first"), "-probability": _("Most sure first")}
BANDS = {
    "0-0.6": _("Below 60 %"),
    "0.6-0.8": _("60 to 80 %"),
    "0.8-0.95": _("80 to 95 %"),
    "0.95-1": _("95 % and more"),
}
SAID = {
    "unlabeled": _("Without people's label"),
    "right": _("People agree"),
    "wrong": _("People disagree"),
}


class PoolFilter(forms.Form):
    category = forms.CharField(required=False)
    sure = forms.ChoiceField(required=False, choices=[("", ""), *BANDS.items()])
    said = forms.ChoiceField(required=False, choices=[("", ""), *SAID.items()])
    order = forms.ChoiceField(required=False, choices=[("", ""), *ORDERS.items()])


@dataclass(frozen=True)
class Tile:
    image: Image
    url: str
    category: str
    said: Any  # a prediction's columns that are shown


@login_required
def pool(request: HttpRequest, slug: str) -> HttpResponse:
    """By category, the least sure first, unless told otherwise."""
    project = load_project(request, slug, "manage")
    context = context_of(request, project, tab="serving", champion=(champion := champion_of(project)))
    if champion is not None:
        context |= _said_by(request, champion)
    return render(request, "inference/pool.html", context)


def _said_by(request: HttpRequest, version: ModelVersion) -> dict[str, Any]:
    chosen = PoolFilter(request.GET)
    chosen.is_valid()
    data = chosen.cleaned_data
    order = data.get("order") or "probability"
    # No other columns than the index has, which finds the few of a rare category without a look at all others' rows.
    rows = filtered(Prediction.objects.filter(version=version), data).values_list(*SHOWN, named=True)
    page = keyset.page(request, rows, order=order, then="image_id", size=PAGE)
    names = _names(version)
    counts = cache.get_or_set(f"pool:{version.pk}", lambda: _counts(version), COUNT_SECONDS) or {}
    return {
        "page": page,
        "tiles": _tiles(page.rows, names),
        "counts": [(key, names.get(key, key), counts[key]) for key in _offered(counts, data.get("category"))],
        "total": sum(counts.values()),
        "chosen": data,
        "order": order,
        "orders": ORDERS,
        "bands": BANDS,
        "said": SAID,
        "is_filtered": any(data.get(name) for name in ("category", "sure", "said")),
        "deployment": Deployment.of(version.project_id),
    }


def filtered(rows: QuerySet[Prediction], chosen: dict[str, Any]) -> QuerySet[Prediction]:
    if chosen.get("category"):
        rows = rows.filter(category=chosen["category"])
    if chosen.get("sure"):
        low, high = (float(edge) for edge in chosen["sure"].split("-"))
        rows = rows.filter(probability__gte=low)
        rows = rows.filter(probability__lt=high) if high < 1 else rows
    if chosen.get("said") == "unlabeled":
        return rows.filter(is_correct=None)
    return rows.filter(is_correct=chosen["said"] == "right") if chosen.get("said") else rows


def _names(version: ModelVersion) -> dict[str, str]:
    question = ModelVersion.objects.select_related("run__snapshot__question").get(pk=version.pk).run.snapshot.question
    return labels.category_names(question)


def _counts(version: ModelVersion) -> dict[str, int]:
    """Category -> images taken for it, the most first."""
    counts = Prediction.objects.filter(version=version).values_list("category").annotate(count=Count("*"))
    return dict(counts.order_by("-count", "category"))


def _offered(counts: dict[str, int], chosen: str | None) -> list[str]:
    """The most frequent categories, and the chosen one."""
    most = list(counts)[:MOST_CATEGORIES]
    return [*most, chosen] if chosen in counts and chosen not in most else most


def _tiles(rows: Iterable[Any], names: dict[str, str]) -> list[Tile]:
    """Without those whose image was deleted meanwhile: no foreign key watches over them."""
    images = Image.objects.in_bulk([row.image_id for row in rows])
    return [
        Tile(image, image_url(image, "thumbnail"), names.get(row.category, row.category), row)
        for row in rows
        if (image := images.get(row.image_id))
    ]
