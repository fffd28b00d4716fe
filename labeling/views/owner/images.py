"""The pictures of a project: bringing them in, finding them, and everything that is known of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from labeling import services
from labeling.collecting.changing import says
from labeling.collecting.tasks import disputed, disputed_among, first_stage
from labeling.files import storage
from labeling.forms.images import AddImagesForm
from labeling.models import Consensus, Gold, Image, Project, Question, Task
from labeling.views.owner import keyset
from labeling.views.owner.answers import labels_of, main_question, names_of, offered, read_all, say
from labeling.views.owner.context import context_of, load_project, refusals, still_there
from labeling.views.owner.jobs import running_jobs
from labeling.views.owner.provenance import story

# The jobs that this page tells of.
JOBS = ("import_images",)
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
PAGE = 60
STATES = {
    "new": gettext_lazy("Not judged yet"),
    "open": gettext_lazy("In progress"),
    "retired": gettext_lazy("Finished"),
    "disputed": gettext_lazy("Disputed"),
    "gold": gettext_lazy("Gold"),
}


@dataclass(frozen=True)
class Tile:
    """One picture in the gallery, with its first task and what is said of it."""

    image: Image
    url: str
    task: Task | None
    answer: str
    confidence: float | None
    is_disputed: bool = False


class ImageFilter(forms.Form):
    q = forms.CharField(required=False)
    state = forms.ChoiceField(required=False, choices=[("", ""), *STATES.items()])
    answer = forms.CharField(required=False)
    below = forms.FloatField(required=False, min_value=0, max_value=1)


@login_required
def images(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "review")
    context = context_of(request, project, tab="images")
    question = main_question(project)
    names = names_of(question)
    chosen = ImageFilter(request.GET)
    chosen.is_valid()
    page = keyset.page(request, filtered(project, question, chosen.cleaned_data), size=PAGE)
    context.update(
        page=page,
        tiles=tiles(project, page.rows, question, names),
        states=STATES,
        answers=labels_of(question, names),
        chosen=chosen.cleaned_data,
        is_filtered=any(value not in ("", None) for value in chosen.cleaned_data.values()),
        said_of_many=said_of_many(project),
        form=AddImagesForm(),
        jobs=running_jobs(request.user, project, *JOBS),
        kinds=JOBS,
    )
    return render(request, "projects/images.html", context)


def filtered(project: Project, question: Question | None, chosen: dict[str, Any]) -> QuerySet[Image]:
    rows = Image.objects.filter(project=project)
    if chosen.get("q"):
        rows = rows.filter(name__icontains=chosen["q"])
    if chosen.get("state"):
        rows = rows.filter(pk__in=_in_state(project, chosen["state"]).values("image_id"))
    if chosen.get("answer") or chosen.get("below") is not None:
        said = Consensus.objects.filter(project=project, question=question).asked(project)
        if chosen.get("answer"):
            said = said.filter(says(question, chosen["answer"])) if question else said.none()
        if chosen.get("below") is not None:
            said = said.filter(confidence__lt=chosen["below"])
        rows = rows.filter(pk__in=said.values("task__image_id"))
    return rows


def _in_state(project: Project, state: str) -> QuerySet[Task]:
    if state == "disputed":
        return disputed(project)
    return Task.objects.filter(
        {
            "new": Q(judgment_count=0, is_gold=False),
            "open": Q(state=Task.State.OPEN, judgment_count__gt=0),
            "retired": Q(state=Task.State.RETIRED, is_gold=False),
            "gold": Q(is_gold=True),
        }[state],
        project=project,
    )


def tiles(project: Project, rows: list[Image], question: Question | None, names: dict[str, str]) -> list[Tile]:
    """Four queries, however many pictures."""
    tasks: dict[int, Task] = {}
    for task in Task.objects.filter(image__in=rows).order_by("-id"):
        tasks[task.image_id] = task
    labels = Consensus.objects.filter(task__in=tasks.values(), question=question).asked(project)
    said = {consensus.task_id: consensus for consensus in labels}
    waiting = disputed_among(project, [task.pk for task in tasks.values()])
    found = []
    for image in rows:
        first = tasks.get(image.pk)
        consensus = said.get(first.pk) if first else None
        found.append(
            Tile(
                image,
                storage.image_url(image, "thumbnail"),
                first,
                say(consensus.answer, names) if consensus else "",
                consensus.confidence if consensus else None,
                first is not None and first.pk in waiting,
            )
        )
    return found


def said_of_many(project: Project) -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be said of many images at once: each question with its answers, as a form sends them and in words."""
    asked = project.questions.filter(stage=first_stage(project).partition(":")[0]).order_by("position", "id")
    found = []
    for question in asked:
        answers = [(json.dumps({question.key: answer}), name) for answer, name in offered(question)]
        if answers:
            found.append((question.prompt, answers))
    return found


def bring_in(
    project: Project,
    user: Any,
    *,
    uploads: Sequence[UploadedFile],
    urls: Sequence[str] = (),
    s3: str = "",
    manifest: UploadedFile | None = None,
    labels_as: str = "",
) -> None:
    """One job for all pictures, one for each archive, one for the addresses.

    A manifest takes the first archive or the pictures that come with it.
    """
    pictures = [file for file in uploads if not str(file.name).lower().endswith(ARCHIVES)]
    archives = [file for file in uploads if file not in pictures]
    if s3:
        services.import_images(project=project, user=user, s3=s3)
    if manifest is not None:
        with_it: dict[str, Any] = {"archive": archives.pop(0)} if archives else {"files": pictures}
        services.import_images(project=project, user=user, manifest=manifest, labels_as=labels_as or "gold", **with_it)
        pictures = [] if "files" in with_it else pictures
    if pictures:
        services.import_images(project=project, user=user, files=pictures)
    for archive in archives:
        services.import_images(project=project, user=user, archive=archive)
    if urls:
        services.import_images(project=project, user=user, urls=urls)


@login_required
@require_POST
def add_images(request: HttpRequest, slug: str) -> HttpResponse:
    """Files, archives or addresses; a page that sends in batches asks for the jobs' fragment instead of a page."""
    project = load_project(request, slug)
    form = AddImagesForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, str(next(iter(form.errors.values()))[0]))
    else:
        with refusals(request):
            bring_in(project, request.user, **form.cleaned_data)
    if request.headers.get("HX-Request"):
        jobs = running_jobs(request.user, project, *JOBS)
        return render(request, "projects/_jobs.html", {"project": project, "jobs": jobs, "kinds": JOBS})
    return redirect("project-images", project.slug)


@login_required
def image(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = load_project(request, slug, "review")
    row = get_object_or_404(Image, project=project, pk=pk)
    around = Image.objects.filter(project=project).values_list("pk", flat=True)
    context = context_of(request, project, tab="images", image=row, url=storage.image_url(row))
    context["original"] = storage.image_url(row, "original")
    context["newer"] = around.filter(pk__gt=pk).order_by("pk").first()
    context["older"] = around.filter(pk__lt=pk).order_by("-pk").first()
    context["stories"] = story(project, row)
    context["waiting"] = disputed_among(project, [told.task.pk for told in context["stories"]])
    context["gold_uses"] = Gold.Use.choices
    return render(request, "projects/image.html", context)


@login_required
@require_POST
def delete_image(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = load_project(request, slug)
    with refusals(request):
        row = still_there(Image.objects.filter(project=project), pk, _("This image was deleted before."))
        services.delete_images(project=project, ids=[row.pk], user=request.user)
        messages.success(request, _("The image is deleted, with everything that was said of it."))
    return redirect("project-images", project.slug)


@login_required
@require_POST
def change_images(request: HttpRequest, slug: str) -> HttpResponse:
    """One change to those that were chosen on a page of the list, which is shown again as it was filtered."""
    wish = request.POST.get("change", "")
    project = load_project(request, slug, "manage" if wish == "gold" else "review")
    ids = _chosen(request)
    with refusals(request):
        answers: dict[str, Any] = {}
        for said in filter(None, request.POST.getlist("answer")):  # one of each question
            answers |= read_all(said)
        done = services.change_images(project=project, ids=ids, user=request.user, change=wish, answers=answers)
        if done.count:
            told = ngettext("%d image is changed.", "%d images are changed.", done.count)
            messages.success(request, told % done.count)
        if done.left:
            told = ngettext("%(n)d stays as it was: %(why)s", "%(n)d stay as they were: %(why)s", done.left)
            messages.warning(request, told % {"n": done.left, "why": done.why})
        if not ids:
            messages.error(request, _("No image was chosen."))
    return _as_shown(request, project)


def _chosen(request: HttpRequest) -> list[int]:
    return [int(pk) for pk in request.POST.getlist("image")[:PAGE] if pk.isdecimal() and len(pk) < 19]


def _as_shown(request: HttpRequest, project: Project) -> HttpResponse:
    return redirect(f"{reverse('project-images', args=[project.slug])}?{request.POST.get('shown', '')}")


@login_required
@require_POST
def delete_images(request: HttpRequest, slug: str) -> HttpResponse:
    """Those that were chosen on a page of the list, which is shown again as it was filtered."""
    project = load_project(request, slug)
    ids = _chosen(request)
    with refusals(request):
        count = services.delete_images(project=project, ids=ids, user=request.user) if ids else 0
        told = ngettext(
            "%d image is deleted, with everything that was said of it.",
            "%d images are deleted, with everything that was said of them.",
            count,
        )
        none = _("The chosen images were deleted before.") if ids else _("No image was chosen.")
        messages.success(request, told % count) if count else messages.error(request, none)
    return _as_shown(request, project)


@login_required
@require_POST
def make_box_golds(request: HttpRequest, slug: str) -> HttpResponse:
    """Gold out of covered images: good boxes, perturbed ones, and one left out."""
    project = load_project(request, slug)
    with refusals(request):
        made = services.make_box_golds(project=project, user=request.user)
        messages.success(request, _("%d gold tasks are new.") % made)
    return redirect("project-images", project.slug)


@login_required
@require_POST
def set_gold(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Make the picture's task gold by an answer on its page, or say anew why that is right and what it is for.

    An empty answer makes it ordinary again.
    """
    project = load_project(request, slug)
    task = get_object_or_404(Task.objects.select_related("gold"), project=project, pk=pk)
    answer = request.POST.get("answer", "")
    known = task.gold if task.is_gold else None
    with refusals(request):
        if answer or (known and "save" in request.POST):
            services.set_gold(
                task=task,
                answers={**(known.answers if known else {}), **(read_all(answer) if answer else {})},
                use=request.POST.get("use", "hidden"),
                explanation=request.POST.get("explanation", known.explanation if known else "").strip(),
                position=known.position if known else 0,
                user=request.user,
            )
            told = _("The task is gold now: it measures workers, and its answer is known.")
            if request.POST.get("use") == Gold.Use.CHECK:
                told = _("Known now: it checks the labels, and nobody is asked about it.")
            messages.success(request, told if answer else _("Saved."))
        else:
            services.remove_gold(task=task, user=request.user)
            messages.success(request, _("The task is an ordinary one again."))
    return redirect("project-image", project.slug, task.image_id)
