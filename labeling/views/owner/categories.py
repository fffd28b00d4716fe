"""What a project tells apart: all categories as text, and one at a time with its description and example pictures."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.forms.settings import CategoriesForm, CategoryForm, ExampleForm
from labeling.models import Category, CategoryExample, Consensus, Project
from labeling.services.categories import MOST_EXAMPLES
from labeling.services.surveys import build_document
from labeling.services.wordings import stored_wordings
from labeling.surveys import guide, tongues
from labeling.views.owner.context import context_of, load_project, refusals, still_there
from labeling.views.owner.settings import refuse
from labeling.views.owner.survey import still_seen, tell_saved

SHOWN = 300


@login_required
def categories(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug)
    rows = build_document(project)["categories"]
    form = CategoriesForm(request.POST or None, rows=rows)
    seen = still_seen(request)
    losing = _losing(project, form) if request.method == "POST" and form.is_valid() else []
    told = _mark(losing)
    if losing and request.POST.get("told") == told:
        losing = []
    if request.method == "POST" and form.is_valid() and not losing:
        try:
            wanted = form.cleaned_data["text"]
            saved = services.replace_survey(project=project, user=request.user, categories=wanted, seen=seen)
        except CrowdtuneError as error:
            seen = still_seen(request, error)
            form.add_error("text", error.message)
        else:
            tell_saved(request, project, saved, _("Saved as a new version of the survey."))
            _tell_taken_out(request, project, [row["key"] for row in rows])
            return redirect("project-categories", project.slug)
    context = context_of(
        request, project, tab="settings", section="categories", form=form, **_listed(request, project, rows)
    )
    context |= {"losing": losing, "told": told, "seen": seen or project.survey_version}
    return render(request, "projects/categories.html", context, status=400 if form.errors or losing else 200)


def _listed(request: HttpRequest, project: Project, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The categories that the page shows, with examples; how many there are, and how many fit what is looked for."""
    wanted = request.GET.get("q", "").strip()
    fitting = [row for row in _tree(rows) if _is_named(row, wanted)]
    shown = fitting[:SHOWN]
    found = project.categories.filter(key__in=[row["key"] for row in shown]).prefetch_related("examples")
    stored = {row.key: row for row in found}
    for row in shown:
        row["id"] = stored[row["key"]].pk
        row["examples"] = [guide.shown(example) for example in stored[row["key"]].examples.all()]
    return {"rows": shown, "count": len(rows), "wanted": wanted, "fitting": len(fitting)}


def _is_named(row: dict[str, Any], wanted: str) -> bool:
    return wanted.casefold() in f"{row['key']}\n{row['name']}\n{row['wordnet_id']}".casefold()


def _losing(project: Project, form: CategoriesForm) -> list[Category]:
    """The categories that would go with a description, a translation or pictures, which no way back brings again."""
    kept = {row["key"] for row in form.cleaned_data["text"]}
    gone: list[Any] = list(project.categories.exclude(key__in=kept).annotate(pictures=Count("examples")))
    words = stored_wordings(project).get("translations", {}) if gone else {}
    for row in gone:
        row.languages = [tongues.NAMES[code] for code, told in words.items() if row.key in told.get("categories", {})]
    return [row for row in gone if row.description or row.pictures or row.languages]


def _mark(losing: list[Category]) -> str:
    """What says that a person was told of just these: a digest, for they may be more than a form has fields."""
    return hashlib.sha256(json.dumps(sorted(row.key for row in losing)).encode()).hexdigest()


def _tell_taken_out(request: HttpRequest, project: Project, before: list[str]) -> None:
    """Who takes out what labels say is told so, and how they come back."""
    question = project.primary_question()
    gone = set(before) - set(project.categories.values_list("key", flat=True))
    if not gone or question is None or question.options.get("choices"):
        return
    labels = Consensus.objects.filter(question=question, answer__in=list(gone))
    for row in labels.values("answer").annotate(n=Count("id")).order_by("-n", "answer")[:5]:
        told = ngettext(
            "%(name)s is no category any more, and %(n)d label says it. Put it back, and its answers count again.",
            "%(name)s is no category any more, and %(n)d labels say it. Put it back, and its answers count again.",
            row["n"],
        )
        messages.warning(request, told % {"name": row["answer"], "n": row["n"]})


def _tree(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Children below their parents, each with its depth; those in a ring, which have no top, come last."""
    below: dict[str | None, list[dict[str, Any]]] = {}
    for row in rows:
        below.setdefault(row["parent"], []).append(row)
    found: list[dict[str, Any]] = []
    waiting = [(row, 0) for row in reversed(below.get(None, []))]
    while waiting:
        row, depth = waiting.pop()
        found.append({**row, "depth": min(depth, 8)})
        waiting.extend((child, depth + 1) for child in reversed(below.pop(row["key"], [])))
    return found


@login_required
def category(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One category: name, description, parent, WordNet id, and its examples."""
    project = load_project(request, slug)
    row = _category(project, pk)
    form = _form(row, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_category(category=row, user=request.user, changes=form.cleaned_data)
        except CrowdtuneError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("project-category", slug, pk)
    return _shown(request, project, row, form=form, example_form=ExampleForm())


def _form(row: Category, data: QueryDict | None = None) -> CategoryForm:
    initial = {"name": row.name, "description": row.description, "wordnet_id": row.wordnet_id}
    return CategoryForm(data, initial={**initial, "parent": row.parent.key if row.parent else ""})


def _shown(
    request: HttpRequest, project: Project, row: Category, *, form: CategoryForm, example_form: ExampleForm
) -> HttpResponse:
    context = context_of(request, project, tab="settings", section="categories", category=row, most=MOST_EXAMPLES)
    context["examples"] = [guide.shown(example) for example in row.examples.all()]
    context["keys"] = project.categories.exclude(pk=row.pk).values_list("key", "name")[:SHOWN]
    context |= {"form": form, "example_form": example_form}
    return render(request, "projects/category.html", context, status=400 if form.errors or example_form.errors else 200)


@login_required
@require_POST
def add_example(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = load_project(request, slug)
    row = _category(project, pk)
    form = ExampleForm(request.POST, request.FILES)
    if form.is_valid():
        data = form.cleaned_data["image"].read()
        try:
            services.add_example(category=row, data=data, alt=form.cleaned_data["alt"], user=request.user)
        except CrowdtuneError as error:
            form.add_error("alt" if "alt" in error.fields else "image", error.message)
        else:
            messages.success(request, _("Workers see the example now."))
            return redirect("project-category", slug, pk)
    return _shown(request, project, row, form=_form(row), example_form=form)


@login_required
@require_POST
def change_example(request: HttpRequest, slug: str, pk: int, example_id: int) -> HttpResponse:
    """Say what it shows, or remove it, by the button that was pressed."""
    row = _category(load_project(request, slug), pk)
    with refusals(request):
        rows = CategoryExample.objects.filter(category=row)
        example = still_there(rows, example_id, _("This example is gone: somebody has removed it."))
        if request.POST.get("do") == "remove":
            services.remove_example(example=example, user=request.user)
            messages.success(request, _("The example is removed."))
        else:
            services.change_example(example=example, alt=request.POST.get("alt", ""), user=request.user)
            messages.success(request, _("Saved."))
    return redirect("project-category", slug, pk)


def _category(project: Project, pk: int) -> Category:
    return get_object_or_404(Category.objects.select_related("parent", "project"), project=project, pk=pk)
