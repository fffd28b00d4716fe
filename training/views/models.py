"""The Models tab: every version, which one answers and why, its model card, and its files."""

from __future__ import annotations

import tempfile
import zipfile
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from markdown_it import MarkdownIt

from labeling.models import Project
from labeling.views.owner.context import context_of, load_project, refusals
from training import outlook, plots, services
from training.models import AliasChange, ModelVersion
from training.snapshots import labels
from training.versions import card, champions
from training.views.training import figures_of, progress_of, read, titles_of

VERSIONS_SHOWN = 100


@login_required
def models(request: HttpRequest, slug: str) -> HttpResponse:
    return _versions_page(request, slug)


def _versions_page(request: HttpRequest, slug: str, status: int = 200) -> HttpResponse:
    project = load_project(request, slug)
    context = context_of(request, project, tab="models")
    versions = list(ModelVersion.objects.filter(project=project).summarised().order_by("-number")[:VERSIONS_SHOWN])
    context.update(
        titles=titles_of(version.run for version in versions),
        champion=champions.champion_of(project),
        other_question=champions.champion_of_other_question(project),
        answers_gone=services.answers_gone(project),
        previous=champions.previous_champion(project),
        changes=AliasChange.objects.filter(project=project, alias=ModelVersion.Alias.CHAMPION)
        .select_related("version", "replaced", "user")
        .only("created_at", "kind", "reason", "version__number", "replaced__number", "user__username")
        .order_by("-created_at")[:20],
        **{**progress_of(versions[::-1]), "versions": versions},
    )
    return render(request, "training/models.html", context, status=status)


@login_required
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The version's model card as a page."""
    project = load_project(request, slug)
    context = context_of(request, project, tab="models")
    row = version_of(project, number)
    names = labels.category_names(row.run.snapshot.question)
    context.update(
        version=row,
        champion=champions.champion_of(project),
        balance=plots.class_balance(row.run.snapshot, names),
        markdown=(markdown := card.card_of(row.manifest)),
        card=_read(markdown),
        **_outlook(row),
        **figures_of(row.metrics, row.categories, names, row),
        **read(row, names),
    )
    return render(request, "training/version.html", context)


def _read(markdown: str) -> SafeString:
    """The card, below the page's own headings. A category's name makes no tag and no link in it."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    tokens = reader.parse(markdown.partition("\n\n")[2])
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = "h3"
        elif token.type == "table_open":
            token.attrSet("class", "table")
    return mark_safe(reader.renderer.render(tokens, reader.options, {}))  # the renderer escapes


def _outlook(row: ModelVersion) -> dict[str, Any]:
    if found := row.metrics.get(outlook.KEY):
        return {"curve": plots.learning_curve(found), "outlook": plots.outlook(found)}
    waiting = _("This is measured in the background and takes some minutes at most; then it stands here.")
    # An older Crowdtune did not measure it, and what a crash cut off is not measured again.
    never = _("This was not measured for this version. The next one that is trained shows it.")
    is_young = row.created_at > timezone.now() - timedelta(hours=1)
    return {"outlook": outlook.why_none(row) or (waiting if is_young else never)}


@login_required
@require_POST
def promote(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    project = load_project(request, slug, "manage")
    with refusals(request):
        row = services.promote(
            version=version_of(project, number), user=request.user, reason=request.POST.get("reason", "")[:300]
        )
        messages.success(request, _("Version %(number)s answers now.") % {"number": row.number})
    return redirect("project-models", slug)


@login_required
@require_POST
def challenge(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Make the version challenger, or no longer, by the button that was pressed."""
    project = load_project(request, slug, "manage")
    with refusals(request):
        row = version_of(project, number)
        if request.POST.get("do") == "withdraw":
            services.withdraw_challenger(version=row, user=request.user)
            told = _("Version %(number)s is the challenger no longer.")
        else:
            services.challenge(version=row, user=request.user, reason=request.POST.get("reason", "")[:300])
            told = _("Version %(number)s is the challenger now.")
        messages.success(request, told % {"number": row.number})
    return redirect("project-models", slug)


@login_required
@require_POST
def rollback(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "manage")
    with refusals(request):
        row = services.rollback(project=project, user=request.user, reason=request.POST.get("reason", "")[:300])
        messages.success(request, _("Version %(number)s answers again.") % {"number": row.number})
    return redirect("project-models", slug)


@login_required
def download(request: HttpRequest, slug: str, number: int) -> FileResponse | HttpResponse:
    """The version as a zip: weights, manifest, model card, and the trunk that it stands on.

    Packed into a file without a name: a trunk may have some hundred megabytes, and this process answers others, too.
    """
    row = version_of(load_project(request, slug, "manage"), number)
    folder = settings.DATA_DIR / row.artifact
    trunk = settings.DATA_DIR / "trunks" / str(row.manifest["trunk_key"])
    needed = [folder / "manifest.json", *(folder / name for name in row.manifest["files"]), trunk / "trunk.xml"]
    missing = [str(path.relative_to(settings.DATA_DIR)) for path in needed if not path.is_file()]
    if missing:
        told = _("Version %(number)s cannot be downloaded: these files are not on this server any more: %(files)s.")
        messages.error(request, told % {"number": number, "files": ", ".join(missing)})
        return _versions_page(request, slug, status=404)
    file = tempfile.TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115 - the response closes it
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.glob("*") if path.is_file()):
            archive.write(path, path.name)
        for path in sorted(trunk.glob("trunk.*")):
            archive.write(path, f"trunk/{path.name}")
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{slug}-{row.number}.zip")


def version_of(project: Project, number: int) -> ModelVersion:
    rows = ModelVersion.objects.filter(project=project, number=number)
    row = rows.select_related("run__snapshot__question", "run__requested_by").first()
    if row is None:
        raise Http404
    return row
