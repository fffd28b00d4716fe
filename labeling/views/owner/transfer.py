"""Labels in and out: an export with its options, and labels or judgments that were made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from labeling import services
from labeling.collecting import tasks
from labeling.export import FORMATS
from labeling.importing.known import READ_ALONE, READERS
from labeling.models import Project
from labeling.services.exports import OPTIONS
from labeling.surveys import survey
from labeling.views.owner.context import load_project, refusals

TAKES = {
    "gold": gettext_lazy("As gold: known to be right, they measure workers"),
    "suggestions": gettext_lazy("As suggestions, shown beside the question"),
    "judgments": gettext_lazy(
        "As judgments that others check: of one person, or of each whom Label Studio, doccano or Labelbox names"
    ),
    "many": gettext_lazy("As judgments of many people (CSV or JSON Lines with a column “worker”)"),
}


def format_choices(keys: Iterable[str] = FORMATS) -> list[tuple[str, str]]:
    """Formats as people read them; most that can be read can be written, too."""
    return [(key, _(FORMATS[key].title) if key in FORMATS else READ_ALONE[key]) for key in keys]


class ExportForm(forms.Form):
    format = forms.ChoiceField(choices=format_choices)
    final = forms.BooleanField(required=False)
    images = forms.BooleanField(required=False)
    judgments = forms.BooleanField(required=False)
    excel = forms.BooleanField(required=False)


class ImportForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("File"))
    form = forms.ChoiceField(choices=lambda: format_choices(READERS), label=gettext_lazy("Format"))
    take_as = forms.ChoiceField(choices=list(TAKES.items()), label=gettext_lazy("Take them"))
    question = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Which question they answer"),
        help_text=gettext_lazy("The one that the file names, or that alone fits"),
    )
    source = forms.CharField(
        required=False,
        max_length=100,
        label=gettext_lazy("Whose they are"),
        help_text=gettext_lazy("A name for the source; empty: the format's."),
    )

    def __init__(self, *given: Any, project: Project, **more: Any) -> None:
        super().__init__(*given, **more)
        asked = survey.current(project).at(tasks.first_stage(project))
        field: Any = self.fields["question"]
        field.choices = [("", field.help_text), *((one.key, one.prompt or one.key) for one in asked)]


@login_required
@require_POST
def export(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "review", even_archived=True)
    form = ExportForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a format."))
        return redirect("project-labels", project.slug)
    options = {name: True for name in OPTIONS if form.cleaned_data[name]}
    with refusals(request):
        services.start_export(project=project, into=form.cleaned_data["format"], user=request.user, options=options)
        messages.success(request, _("The export runs in the background; its link appears here when it is ready."))
    return redirect("project-labels", project.slug)


@login_required
@require_POST
def bring_in(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug)
    form = ImportForm(request.POST, request.FILES, project=project)
    if not form.is_valid():
        messages.error(request, _("Choose a file, its format and what its labels are."))
        return redirect("project-labels", project.slug)
    with refusals(request):
        _start(project, request.user, form.cleaned_data)
        messages.success(request, _("They are read in the background; what is refused is listed with its reason."))
    return redirect("project-labels", project.slug)


def _start(project: Project, user: Any, data: dict[str, Any]) -> None:
    if data["take_as"] == "many":
        services.import_judgments(project=project, file=data["file"], user=user)
        return
    chosen = {name: data[name] for name in ("file", "form", "take_as", "source", "question")}
    services.import_labels(project=project, user=user, **chosen)
