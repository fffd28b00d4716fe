"""The labels: what the crowd says together, how sure, beside the plain majority; and their export."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from labeling import services, storage
from labeling.export import FORMATS
from labeling.models import Consensus, Judgment, Project, Question
from labeling.views.owner import keyset
from labeling.views.owner.answers import majority, names_of, say
from labeling.views.owner.context import load_project, project_context
from labeling.views.owner.jobs import running_jobs

ORDERS = {
    "-id": gettext_lazy("Newest first"),
    "confidence": gettext_lazy("Least sure first"),
    "-confidence": gettext_lazy("Most sure first"),
}


class LabelFilter(forms.Form):
    question = forms.SlugField(required=False)
    answer = forms.CharField(required=False)
    final = forms.ChoiceField(required=False, choices=[("", ""), ("1", ""), ("0", "")])
    below = forms.FloatField(required=False, min_value=0, max_value=1)
    order = forms.ChoiceField(required=False, choices=[("", ""), *ORDERS.items()])


@dataclass(frozen=True)
class Row:
    """A consensus, and what the plain majority would say."""

    consensus: Consensus
    url: str
    answer: str
    majority: str
    share: float | None
    differs: bool


@login_required
def labels(request: HttpRequest, slug: str) -> HttpResponse:
    context = project_context(request, slug, tab="labels", right="review")
    project = context["project"]
    chosen = LabelFilter(request.GET)
    chosen.is_valid()
    data = chosen.cleaned_data
    questions = list(project.questions.order_by("position", "id"))
    question = next((q for q in questions if q.key == data.get("question")), None) or project.primary_question()
    question = question or (questions[0] if questions else None)
    names = names_of(question)
    rows = filtered(project, question, data).select_related("task__image", "decided_by")
    page = keyset.page(request, rows, order=data.get("order") or "-id")
    found = rows_of(page.rows, question, names)
    context.update(
        page=page,
        rows=found,
        differing=sum(row.differs for row in found),
        questions=questions,
        question=question,
        answers=list(names.items())[:200],
        chosen=data,
        orders=ORDERS,
        jobs=running_jobs(project, "export"),
        formats=[(key, chosen.title) for key, chosen in FORMATS.items()],
        is_filtered=any(value not in ("", None) for name, value in data.items() if name not in {"question", "order"}),
    )
    return render(request, "projects/labels.html", context)


@login_required
@require_POST
def export(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "review")
    services.start_export(project=project, into=request.POST.get("format", ""), user=request.user)
    return redirect("project-labels", slug)


def filtered(project: Project, question: Question | None, data: dict[str, Any]) -> QuerySet[Consensus]:
    rows = Consensus.objects.filter(project=project, question=question)
    if data.get("answer"):
        rows = rows.filter(answer={"yes": True, "no": False}.get(data["answer"], data["answer"]))
    if data.get("final"):
        rows = rows.filter(is_final=data["final"] == "1")
    if data.get("below") is not None:
        rows = rows.filter(confidence__lt=data["below"])
    return rows


def rows_of(found: list[Consensus], question: Question | None, names: dict[str, str]) -> list[Row]:
    """One query for all judgments of the page."""
    by_task: dict[int, list[Judgment]] = defaultdict(list)
    for judgment in Judgment.objects.filter(task__in=[c.task_id for c in found], withdrawn_at=None):
        by_task[judgment.task_id].append(judgment)
    rows = []
    for consensus in found:
        plain = majority(question.key, by_task[consensus.task_id]) if question else None
        differs = plain is not None and question is not None and question.kind in {"single_choice", "yes_no"}
        rows.append(
            Row(
                consensus=consensus,
                url=storage.image_url(consensus.task.image, "thumbnail"),
                answer=say(consensus.answer, names),
                majority=say(plain[0], names) if plain else "",
                share=plain[1] if plain else None,
                differs=bool(differs and plain and plain[0] != consensus.answer),
            )
        )
    return rows
