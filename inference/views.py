"""The pages of this room: the playground, and how a project serves."""

from __future__ import annotations

import base64
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from rest_framework.exceptions import APIException

from inference import services
from inference.downloads.examples import examples
from inference.engine.engine import Answer
from inference.engine.routing import VersionRef
from inference.explain import explaining
from inference.feedback.audits import audits_of, is_paused
from inference.forms import DeploymentForm
from inference.intake import inputs
from inference.intake.features import original
from inference.models import Deployment
from inference.monitoring import figures, stored_reference
from inference.monitoring.alarm import alarm_of
from inference.monitoring.reference import NOVEL
from inference.serializers import answer_json
from inference.services.jobs import DOWNLOADS
from labeling.errors import CrowdtuneError
from labeling.files.storage import file_url, image_url
from labeling.models import Image, Project, Task
from labeling.resilience import outside
from labeling.surveys import survey
from labeling.views.numbers import whole
from labeling.views.owner.context import context_of, load_project, refusals
from labeling.views.owner.jobs import running_jobs
from training.features import background
from training.models import ModelVersion, Snapshot, SnapshotItem
from training.services import answers_gone
from training.snapshots import labels
from training.versions.champions import champion_of, champion_of_other_question, previous_champion

NEIGHBOURS = 6
EXAMPLES = 6  # stored images that the playground offers
NEWEST = 12  # versions that serving lists, beside those that serve


@login_required
@require_http_methods(["GET", "POST"])
def playground(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask the champion about one picture. htmx gets the answer alone, a browser without scripts the whole page."""
    project = load_project(request, slug, "predict", even_archived=True)
    context = context_of(request, project, tab="serving", champion=champion_of(project))
    if request.method == "POST":
        context |= _asked(request, project)
    if request.headers.get("HX-Request"):
        return render(request, "inference/_answer.html", context)
    newest = Image.objects.filter(project=project).order_by("-pk")[:EXAMPLES]
    context["examples"] = [(image, image_url(image, "thumbnail")) for image in newest]
    return render(request, "inference/playground.html", context)


@login_required
@require_POST
def wrong(request: HttpRequest, slug: str) -> HttpResponse:
    """A person says that the answer is wrong: the picture becomes a task, ahead of the others."""
    project = load_project(request, slug, "predict")
    try:
        given = inputs.from_files(request.FILES.getlist("image")[:1], None)
        image, created = services.report_wrong(
            project=project, data=cast("bytes", given.pictures[0]), user=request.user
        )
    except CrowdtuneError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _what_comes_of(image, created=created))
    return redirect("project-playground", slug=slug)


def _what_comes_of(image: Image, *, created: bool) -> str:
    if created:
        return _("Thank you. The image is now among the next tasks.")
    if image.tasks.filter(state=Task.State.OPEN).exists():
        return _("This image is a task already.")
    return _("People have labeled this image already; a reviewer can decide otherwise on its page.")


def _asked(request: HttpRequest, project: Project) -> dict[str, Any]:
    """What the answer shows, or why there is none."""
    stored = Image.objects.filter(project=project, pk=whole(request.POST.get("stored"))).first()
    try:
        if stored:
            with outside.stored():
                data = original(stored, 0)
            given = inputs.Inputs((stored,), 10)
        else:
            given = inputs.from_files(request.FILES.getlist("image")[:1], 10)
            data = cast("bytes", given.pictures[0])
        answer = services.predict(project=project, inputs=given)
        heat, _category, _version = services.explain(project=project, picture=stored or data)
    except CrowdtuneError as error:
        return {"problem": error.message}
    except APIException as error:
        return {"problem": str(error.detail)}
    body = answer_json(answer, 10)
    versions = ModelVersion.objects.select_related("run__snapshot__question")
    snapshot = versions.get(pk=answer.version.id).run.snapshot
    names = labels.category_names(snapshot.question)
    said = body["predictions"][0]
    for score in said["categories"]:
        score["name"] = names.get(score["category"], score["category"])
    return {
        "answer": said,
        "stored": stored,
        "version": answer.version.number,
        "milliseconds": body["milliseconds"],
        "picture": _data_url("image/jpeg", explaining.thumbnail(data)),
        "heat": _data_url("image/png", heat),
        **_surroundings(answer, snapshot, names),
    }


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _surroundings(answer: Answer, snapshot: Snapshot, names: dict[str, str]) -> dict[str, Any]:
    """How far the picture lies from the training images, and which of them are nearest, as what."""
    reference = stored_reference.reference_of(answer.version)
    if reference is None:
        return {}
    nearest = reference.nearest(answer.features[0], NEIGHBOURS)
    images = Image.objects.in_bulk([image_id for image_id, _distance in nearest])
    learned = dict(SnapshotItem.objects.filter(snapshot=snapshot, image__in=images).values_list("image_id", "label"))
    neighbours = [
        {
            "image": images[image_id],
            "url": image_url(images[image_id], "thumbnail"),
            "label": names.get(learned.get(image_id, ""), learned.get(image_id, "")),
            "distance": distance,
        }
        for image_id, distance in nearest
        if image_id in images
    ]
    novelty = float(reference.novelty(answer.features)[0])
    return {"novelty": novelty, "is_novel": novelty > NOVEL, "neighbours": neighbours}


@login_required
def serving(request: HttpRequest, slug: str) -> HttpResponse:
    """Which version answers, how quickly and how rightly, to whom, and how to ask it."""
    project = load_project(request, slug, "manage")
    return render(request, "inference/serving.html", _serving_context(request, project))


def _serving_context(request: HttpRequest, project: Project, **more: Any) -> dict[str, Any]:
    versions = figures.by_version(project)
    base = f"{request.scheme}://{request.get_host()}"
    deployment = Deployment.of(project.pk)
    audits = audits_of(project, deployment)
    plots = [figures.latency_plot(versions), figures.accuracy_plot(project), *figures.drift_plots(project)]
    shown = [one for place, one in enumerate(versions) if place < NEWEST or one.version.alias]
    champion = next((one for one in versions if one.version.alias == ModelVersion.Alias.CHAMPION), None)
    return context_of(
        request, project, tab="serving", versions=versions, shown=shown,
        champion=champion, alarm=alarm_of(champion.version) if champion else None,
        challenger=next((one for one in versions if one.version.alias == ModelVersion.Alias.CHALLENGER), None),
        least_random=figures.LEAST_RANDOM, other_question=champion_of_other_question(project), deployment=deployment,
        examples=examples(base, project.slug), downloads=DOWNLOADS.items(),
        faults=_faults(versions, deployment),
        previous=previous_champion(project), kept=figures.kept(project),
        audited=sum(each.total for each in audits), audited_wrong=sum(each.wrong for each in audits),
        jobs=running_jobs(request.user, project, "predict"), kinds=["predict"],
        learned=_learned(project, champion),
        labels_paused=is_paused(project, deployment), left_out=background.is_left_out(project),
        answers_gone=answers_gone(project),
        plots=[plot for plot in plots if not plot.is_empty],
        **{"form": DeploymentForm(instance=deployment), **more},
    )  # fmt: skip


def _learned(project: Project, champion: figures.VersionFigures | None) -> str:
    """The question that the champion answers, where the project asks more than that one."""
    if champion is None or len(survey.current(project).questions) < 2:
        return ""
    versions = ModelVersion.objects.filter(pk=champion.version.pk)
    return str(versions.values_list("run__snapshot__question__prompt", flat=True).get())


def _faults(versions: list[figures.VersionFigures], deployment: Deployment) -> list[str]:
    """Of the versions that programs meet, why some cannot answer."""
    met = [ModelVersion.Alias.CHAMPION]
    if deployment.challenger_mode != Deployment.Challenger.OFF:
        met.append(ModelVersion.Alias.CHALLENGER)
    serving = [VersionRef.of(one.version) for one in versions if one.version.alias in met]
    return [fault for version in serving if (fault := services.fault_of(version))]


@login_required
@require_POST
def configure(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "manage")
    form = DeploymentForm(request.POST, instance=Deployment.of(project.pk))
    if not form.is_valid():
        return render(request, "inference/serving.html", _serving_context(request, project, form=form), status=400)
    with refusals(request):
        services.configure(project=project, changes=form.changes(), user=request.user)
        messages.success(request, _("Serving follows the new settings within a second."))
    return redirect("project-serving", slug=slug)


@login_required
@require_POST
def answers(request: HttpRequest, slug: str) -> HttpResponse:
    """Start the table that answers for all images, by the champion or the version that was pressed; then its job."""
    project = load_project(request, slug, "manage", even_archived=True)
    output, version = request.POST.get("format", "csv"), whole(request.POST.get("version")) or None
    to: tuple[Any, ...] = ("project-serving", slug)
    with refusals(request):
        job = services.start_batch(
            project=project, user=request.user, output=output, excel=output == "csv", stored=True, version=version
        )
        to = ("project-job", slug, job.pk)
    return redirect(*to)


@login_required
@require_POST
def download(request: HttpRequest, slug: str) -> HttpResponse:
    """Start making the download; its job is on the page until it is there."""
    project = load_project(request, slug, "manage", even_archived=True)
    with refusals(request):
        services.start_download(project=project, user=request.user, output=request.POST.get("format", ""))
        messages.success(request, _("The download is being made; it appears below when it is ready."))
    return redirect("project-serving", slug=slug)


@login_required
def downloads(request: HttpRequest, slug: str) -> HttpResponse:
    """A fragment: downloads, polled while any of them is under way."""
    project = load_project(request, slug, "manage")
    made = project.jobs.filter(kind="download").defer("errors")
    rows: list[Any] = list(made.order_by("-created_at")[:10])
    live = any(job.is_live for job in rows)
    for job in rows:
        job.address = file_url(job.result["file"]) if "file" in job.result else ""
        job.called = DOWNLOADS.get(job.arguments["format"], job.arguments["format"])
    return render(request, "inference/_downloads.html", {"project": project, "jobs": rows, "live": live})
