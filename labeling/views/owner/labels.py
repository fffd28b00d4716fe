"""The labels: what the crowd says together, how sure, beside the plain majority or any other method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from labeling import audit, services
from labeling.aggregation import AGGREGATORS
from labeling.aggregation.combine import label_of
from labeling.collecting import workflow
from labeling.collecting.changing import labels_where
from labeling.collecting.tasks import disputed_among
from labeling.consensus import viewpoints
from labeling.files import storage
from labeling.forms.settings import AGGREGATOR_NAMES
from labeling.models import Consensus, Project, Question, Task
from labeling.models.judgment import TIE
from labeling.views.owner import keyset
from labeling.views.owner.answers import labels_of, names_of, say, say_method, shown_question
from labeling.views.owner.context import context_of, load_project, refusals
from labeling.views.owner.jobs import running_jobs
from labeling.views.owner.transfer import ImportForm, format_choices

JOBS = ("export", "import_labels", "import_judgments", "change_tasks")
ORDERS = {
    "-id": gettext_lazy("Newest first"),
    "confidence": gettext_lazy("Least sure first"),
    "-confidence": gettext_lazy("Most sure first"),
}


CHANGE_NAMES = {
    "ask_more": gettext_lazy("Ask more people: finished tasks are open again"),
    "sooner": gettext_lazy("Hand them out first, those that are open"),
    "close": gettext_lazy("Close them, without a review; their labels stay as they stand"),
}
audit.VALUES["change"] = CHANGE_NAMES
MOST_COUNTED = 10_000


class LabelFilter(forms.Form):
    q = forms.CharField(required=False)
    question = forms.SlugField(required=False)
    answer = forms.CharField(required=False)
    said = forms.CharField(required=False)
    final = forms.ChoiceField(required=False, choices=[("", ""), ("1", ""), ("0", "")])
    differs = forms.ChoiceField(required=False, choices=[("", ""), ("1", "")])
    below = forms.FloatField(required=False, min_value=0, max_value=1)
    method = forms.ChoiceField(required=False, choices=[("", ""), *((key, key) for key in AGGREGATORS)])
    order = forms.ChoiceField(required=False, choices=[("", ""), *ORDERS.items()])

    def where(self) -> dict[str, Any]:
        """What of it says which labels: the arguments of ``labels_where``."""
        data = self.cleaned_data
        final = {"1": True, "0": False}.get(data.get("final") or "")
        return {
            "answer": data.get("answer") or "",
            "said": data.get("said") or "",
            "final": final,
            "below": data.get("below"),
            "name": data.get("q") or "",
            "differs": data.get("differs") == "1",
        }


class ChangeForm(LabelFilter):
    """The filter that was looked at, and what is to happen to the tasks behind its labels."""

    change = forms.ChoiceField(choices=list(CHANGE_NAMES.items()))
    count = forms.IntegerField(required=False, min_value=1, max_value=services.MOST_MORE)


@dataclass(frozen=True)
class Row:
    """A consensus, and what another method says: the plain majority unless told."""

    consensus: Consensus
    url: str
    answer: str
    other: str
    share: float | None
    differs: bool
    method: str
    waits_for: Consensus | None


def is_compared(question: Question | None) -> bool:
    """Whether its labels are classes, of which another method's can be told to be another."""
    return question is not None and question.statistic == "class"


def _is_behind(answer: Any, view: dict[str, Any]) -> bool:
    """Whether a method takes another answer for more probable, and not just for as probable."""
    return view["posterior"].get(label_of(answer), 0.0) + TIE < view["confidence"]


@login_required
def labels(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "review")
    context = context_of(request, project, tab="labels")
    chosen = LabelFilter(request.GET)
    chosen.is_valid()
    data = chosen.cleaned_data
    questions = list(project.questions.order_by("position", "id"))
    question = shown_question(project, questions, data.get("question"))
    names = names_of(question)
    where = chosen.where()
    # Fetched beside and not joined: before a join the database sorts whole rows of the project, not the page's best.
    rows = labels_where(project=project, question=question, **where).prefetch_related("task__image", "decided_by")
    page = keyset.page(request, rows, order=data.get("order") or "-id")
    beside = data.get("method") or "majority"
    found = rows_of(project, page.rows, question, names, beside)
    context.update(
        page=page,
        rows=found,
        waiting=disputed_among(project, [row.consensus.task_id for row in found]),
        differing=sum(row.differs for row in found),
        mixed=len({row.consensus.decided_by_id or row.method for row in found}) > 1,
        questions=questions,
        question=question,
        compared=is_compared(question),
        answers=labels_of(question, names),
        chosen=data,
        orders=ORDERS,
        jobs=running_jobs(request.user, project, *JOBS),
        kinds=JOBS,
        formats=format_choices(),
        usual_format="coco" if any(one.kind == "boxes" for one in questions) else "csv",
        import_form=ImportForm(auto_id="import_%s", project=project),
        methods=[(key, AGGREGATOR_NAMES.get(key, key)) for key in AGGREGATORS],
        beside=beside,
        fitting=labels_where(project=project, question=question, **where).order_by()[: MOST_COUNTED + 1].count()
        if context["manages"]
        else 0,
        most_counted=MOST_COUNTED,
        changes=CHANGE_NAMES,
        most_more=services.MOST_MORE,
        is_filtered=any(
            value not in ("", None) for name, value in data.items() if name not in {"question", "order", "method"}
        ),
    )
    return render(request, "projects/labels.html", context)


@login_required
@require_POST
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """One change to the tasks of all labels that the filter shows."""
    project = load_project(request, slug, "manage")
    form = ChangeForm(request.POST)
    question = project.questions.filter(key=request.POST.get("question", "")).first()
    if not form.is_valid() or question is None:
        messages.error(request, _("Choose what is to happen to the tasks."))
        return redirect("project-labels", project.slug)
    with refusals(request):
        services.change_tasks(
            project=project, user=request.user, question=question, change=form.cleaned_data["change"],
            where=form.where(), count=form.cleaned_data["count"] or 1,
        )  # fmt: skip
        messages.success(request, _("The tasks are changed in the background; how far it is, is shown here."))
    shown = {
        name: request.POST[name]
        for name in ("q", "question", "answer", "said", "final", "below", "differs")
        if request.POST.get(name)
    }
    return redirect(f"{reverse('project-labels', args=[project.slug])}?{urlencode(shown)}")


def rows_of(
    project: Project, found: list[Consensus], question: Question | None, names: dict[str, str], method: str
) -> list[Row]:
    """The page's labels, each beside what another method says of the same judgments."""
    views = viewpoints.of_rows(project=project, rows=found, method=method)
    waits_for = _unsure_beside(project, found)
    rows = []
    for consensus in found:
        # All accepted boxes of an image are nobody's answer to its first task: one person drew one of them there.
        other = None if consensus.method == workflow.METHOD else views.get(consensus.pk)
        rows.append(
            Row(
                consensus=consensus,
                url=storage.image_url(consensus.task.image, "thumbnail"),
                answer=say(consensus.answer, names),
                other=say(other["answer"], names) if other else "",
                share=other["confidence"] if other else None,
                differs=bool(other and is_compared(question) and _is_behind(consensus.answer, other)),
                method=say_method(consensus),
                waits_for=waits_for.get(consensus.task_id),
            )
        )
    return rows


def _unsure_beside(project: Project, found: list[Consensus]) -> dict[int, Consensus]:
    """Task -> the least sure label of another question, where that alone keeps the task open."""
    if project.stopping != "confidence":
        return {}
    enough = [
        row.task_id
        for row in found
        if row.task.state == Task.State.OPEN
        and row.confidence >= project.confidence
        and row.task.judgment_count >= max(project.judgments_min, row.task.asked_for)
    ]
    others = Consensus.objects.filter(task__in=enough, question__required=True, confidence__lt=project.confidence)
    others = others.asked(project)
    return {row.task_id: row for row in others.select_related("question").order_by("-confidence")} if enough else {}
