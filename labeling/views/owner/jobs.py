"""Background jobs as a person sees them: progress while they run, and a report of what was refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from labeling import jobs as background
from labeling import tables
from labeling.accounts.permissions import may
from labeling.files import storage
from labeling.models import Job, Project
from labeling.models.job import JobQuerySet
from labeling.views.owner.context import context_of, load_project

JOBS_SHOWN = 50
NEWS_SHOWN = 3  # beside what a page is for
IS_NEWS = timedelta(days=1)
FAILURE_IS_NEWS = timedelta(days=7)  # it may still be unseen
OF_LABELS = ("import_images", "import_judgments", "import_labels", "export")
# The tab that a kind of job belongs to.
TAB_OF = {
    "import_images": "images",
    "import_judgments": "labels",
    "import_labels": "labels",
    "export": "labels",
    "change_tasks": "labels",
    "follow_bounds": "settings",
    "bake_off": "training",
    "predict": "serving",
    "download": "serving",
}
# What a result says that a person wants to know; the rest is for the work itself, to go on from.
FACTS = {
    "imported": _("Brought in"),
    "added": _("Added to"),  # judgments that were there
    "changed": _("Changed"),
    "unchanged": _("As they were"),
    "duplicates": _("There already"),
    "labels": _("Labels"),
    "uploads": _("Found without the eight signs that Label Studio puts before a name"),
    "passed_over": _("Passed over"),
    "images": _("Images"),
    "labeled": _("Of them with a label"),
    "lines": _("Lines"),
    "bytes": _("Bytes"),
}


def shown_to(user: Any, project: Project) -> JobQuerySet:
    """The project's jobs that the person may see: what a model made is for managers."""
    rows = project.jobs.order_by("-created_at").select_related("requested_by")
    return rows if may(user, project, "manage") else rows.filter(kind__in=OF_LABELS)


def running_jobs(user: Any, project: Project, *kinds: str, is_long: bool = False) -> list[Job]:
    """The jobs that run, and those that ended: the last few of the last days, or with ``is_long`` many.

    Beside what a page is for, the newest that ended stands in full, with those that failed or have refused something,
    as one of the many that a large upload is parted into; the others are folded.
    """
    rows = shown_to(user, project).defer("errors")  # up to a thousand each, and pages ask again while a job runs
    if kinds:
        rows = rows.filter(kind__in=kinds)
    live = list(rows.live()[:10])
    ended = rows.exclude(state__in=Job.LIVE)
    if not is_long:
        now = timezone.now()
        failed = Q(state=Job.State.FAILED, finished_at__gte=now - FAILURE_IS_NEWS)
        ended = ended.filter(failed | Q(finished_at__gte=now - IS_NEWS))
    found: list[Any] = live + list(ended[: JOBS_SHOWN if is_long else NEWS_SHOWN])
    if not is_long:
        found += ended.filter(result__refused__gt=0).exclude(pk__in=[job.pk for job in found])[:NEWS_SHOWN]
    for place, job in enumerate(found):
        decorate(job)
        job.is_folded = not (is_long or place <= len(live) or job.state == Job.State.FAILED or job.refused)
    return sorted(found, key=lambda job: job.is_folded)


def decorate(job: Any) -> None:
    """What the templates need beside the row."""
    job.label = background.KINDS.get(job.kind, job.kind.replace("_", " ").capitalize())
    job.tone = {"succeeded": "good", "failed": "bad", "cancelled": "warn"}.get(job.state, "info")
    job.address = storage.file_url(job.result["file"]) if "file" in job.result else job.result.get("url", "")
    job.facts = [(label, job.result[name]) for name, label in FACTS.items() if job.result.get(name) is not None]
    sent = (job.arguments.get(name) for name in ("file", "archive", "manifest"))
    name = next((file["name"] for file in sent if file), "")
    job.file = "" if name in job.message else name  # a failure's own words may begin with it
    job.refused = job.result.get("refused", 0)


@login_required
def job_list(request: HttpRequest, slug: str) -> HttpResponse:
    """The jobs; ``?kind=`` shows one kind. Pages get a fragment that asks again while a job runs, a person a page.

    It tells the page of an import's end.
    """
    project = load_project(request, slug, "review")
    kinds = request.GET.getlist("kind")
    is_page = not request.headers.get("HX-Request")
    is_long = is_page or "long" in request.GET  # the page of jobs itself, also when it asks again
    found = running_jobs(request.user, project, *kinds, is_long=is_long)
    context = {"project": project, "kinds": kinds, "jobs": found, "is_long": is_long}
    if is_page:
        tab = TAB_OF.get(kinds[0], "overview") if kinds else "overview"
        return render(request, "projects/jobs.html", context_of(request, project, tab=tab) | context)
    response = render(request, "projects/_jobs.html", context)
    if found and found[0].kind.startswith("import_") and not found[0].is_live:
        response["HX-Trigger"] = "import-ended"
    return response


@login_required
def job(request: HttpRequest, slug: str, pk: str) -> HttpResponse:
    """One job, with each item that was refused and why."""
    project = load_project(request, slug, "review")
    row: Any = get_object_or_404(shown_to(request.user, project), pk=pk)
    decorate(row)
    row.listed = sum(error["code"] != background.PASSED for error in row.errors)
    context = context_of(request, project, tab=TAB_OF.get(row.kind, "overview"))
    return render(request, "projects/job.html", {**context, "job": row})


@login_required
def refused(request: HttpRequest, slug: str, pk: str) -> StreamingHttpResponse:
    """Each item that was refused or passed over, and why, as CSV: the page shows the first thousand."""
    project = load_project(request, slug, "review")
    return tables.refused(get_object_or_404(shown_to(request.user, project), pk=pk))


@login_required
@require_POST
def cancel_job(request: HttpRequest, slug: str, pk: str) -> HttpResponse:
    project = load_project(request, slug, even_archived=True)
    background.cancel(job=get_object_or_404(Job, project=project, pk=pk))
    return redirect("project-job", project.slug, pk)
