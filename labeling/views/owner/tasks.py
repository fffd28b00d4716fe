"""The tasks of a project: which are next, which are finished and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from labeling import services
from labeling.collecting.tasks import disputed_among
from labeling.files import storage
from labeling.models import Consensus, Project, Task
from labeling.views.owner import keyset
from labeling.views.owner.answers import main_question, names_of, say
from labeling.views.owner.context import context_of, load_project, refusals

ORDERS = {
    "-id": gettext_lazy("Newest first"),
    "-priority": gettext_lazy("Next to be handed out"),
    "-judgment_count": gettext_lazy("Most judgments first"),
}


@dataclass(frozen=True)
class Row:
    task: Task
    url: str
    answer: str
    confidence: float | None


class TaskFilter(forms.Form):
    q = forms.CharField(required=False)
    state = forms.ChoiceField(required=False, choices=[("", ""), *Task.State.choices])
    because = forms.ChoiceField(required=False, choices=[("", ""), *Task.Because.choices])
    stage = forms.CharField(required=False)
    order = forms.ChoiceField(required=False, choices=[("", ""), *ORDERS.items()])


@login_required
def tasks(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "review")
    context = context_of(request, project, tab="tasks")
    chosen = TaskFilter(request.GET)
    chosen.is_valid()
    data = chosen.cleaned_data
    rows = filtered(project, data).select_related("image")
    page = keyset.page(request, rows, order=data.get("order") or "-id")
    question = main_question(project)
    names = names_of(question)
    labels = Consensus.objects.filter(task__in=page.rows, question=question).asked(project)
    said = {consensus.task_id: consensus for consensus in labels}
    context.update(
        page=page,
        rows=[row_of(task, said.get(task.pk), names) for task in page.rows],
        waiting=disputed_among(project, [task.pk for task in page.rows]),
        chosen=data,
        orders=ORDERS,
        states=Task.State.choices,
        reasons=Task.Because.choices,
        stages=stages_of(project),
        is_filtered=any(data.values()),
    )
    return render(request, "projects/tasks.html", context)


def row_of(task: Task, consensus: Consensus | None, names: dict[str, str]) -> Row:
    answer = say(consensus.answer, names) if consensus else ""
    return Row(task, storage.image_url(task.image, "thumbnail"), answer, consensus.confidence if consensus else None)


def stages_of(project: Project) -> list[str]:
    """The stages that the survey asks at."""
    return list(project.questions.order_by("stage").values_list("stage", flat=True).distinct())


def filtered(project: Project, data: dict[str, Any]) -> QuerySet[Task]:
    rows = Task.objects.filter(project=project)
    if data.get("q"):
        rows = rows.filter(image__name__icontains=data["q"])
    if data.get("state"):
        rows = rows.filter(state=data["state"])
    if data.get("because"):
        rows = rows.filter(retired_because=data["because"])
    if data.get("stage"):
        rows = rows.filter(stage__startswith=data["stage"])
    if data.get("order") == "-priority":
        rows = rows.filter(state=Task.State.OPEN)
    return rows


@login_required
@require_POST
def change_task(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Hand a task out sooner, close it, or open it again."""
    project = load_project(request, slug, "review")
    task = get_object_or_404(Task, project=project, pk=pk)
    action = request.POST.get("action")
    with refusals(request):
        if action == "sooner":
            services.hand_out_sooner(task=task)
            messages.success(request, _("The task is handed out before the others now."))
        elif action == "retire":
            services.retire_task(task=task, user=request.user)
            messages.success(request, _("The task is closed; its label is as it stands."))
        elif action == "reopen":
            services.reopen_task(task=task, user=request.user)
            messages.success(request, _("The task is open again: one more person is asked."))
    return redirect("project-image", project.slug, task.image_id)
