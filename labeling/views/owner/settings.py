"""The settings of a project, each change of which is written into its log."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from labeling import audit, services
from labeling.collecting.rules import in_units
from labeling.errors import CrowdtuneError
from labeling.forms.settings import SettingsForm
from labeling.forms.shares import as_percent
from labeling.models import AuditEntry, Project, Rule, Task
from labeling.templatetags.ui import money
from labeling.views.owner import keyset
from labeling.views.owner.context import context_of, load_project
from labeling.views.owner.jobs import running_jobs

JOBS = ("follow_bounds",)
NEAR = 20  # characters before a change that are shown
OTHER_NAMES = {"judgments_per_task": "judgments_max"}  # what the API calls as one and pages ask for in two


@login_required
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Name, instructions, judgments, stopping, price: one form, one button."""
    project = load_project(request, slug)
    form = SettingsForm.of(project, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.change_project(project=project, user=request.user, **form.changes())
        except CrowdtuneError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved."))
            if changed.is_spent and not project.is_spent:
                _say_closed(request, changed)
            _say_finished(request, project, changed)
            return redirect("project-settings", project.slug)
    jobs = running_jobs(request.user, project, *JOBS)
    context = context_of(request, project, tab="settings", section="general", form=form, jobs=jobs, kinds=JOBS)
    return render(request, "projects/settings.html", context, status=400 if form.errors else 200)


def _say_closed(request: HttpRequest, project: Project) -> None:
    """A budget of 30 where 300 was meant ends every task: better told here than found out by the crowd."""
    told = _("The budget has no room for one more judgment (spent so far: %(spent)s): nobody is handed a task.")
    messages.warning(request, told % {"spent": money(project.cost)})


def _say_finished(request: HttpRequest, before: Project, changed: Project) -> None:
    """Who asks more people from now on would wait in vain for more answers to what is finished."""
    asks_more = ("judgments_min", "judgments_max", "confidence")
    if not any(getattr(changed, name) > getattr(before, name) for name in asks_more):
        return
    if Task.objects.filter(project=changed, state=Task.State.RETIRED, is_gold=False).exists():
        told = _(
            "Finished tasks stay finished. To ask more people about them, too: on the Labels page, filter those that "
            "you mean, then “Change tasks”."
        )
        messages.info(request, told)


def refuse(form: Any, error: CrowdtuneError) -> None:
    """A verb's refusal, at the fields that it names."""
    named = [OTHER_NAMES.get(name, name) for name in error.fields]
    known = [name for name in named if name in form.fields]
    for name in known:
        form.add_error(name, error.message)
    if not known:
        form.add_error(None, error.message)


@login_required
def log(request: HttpRequest, slug: str) -> HttpResponse:
    """Who changed what, from what to what."""
    project = load_project(request, slug)
    context = context_of(request, project, tab="settings", section="log")
    entries = AuditEntry.objects.filter(project=project).select_related("user")
    context["page"] = keyset.page(request, entries, size=50)
    tasks = {entry.changes["task"] for entry in context["page"].rows if isinstance(entry.changes.get("task"), int)}
    images = dict(Task.objects.filter(project=project, pk__in=tasks).values_list("pk", "image_id"))
    context["entries"] = [
        (
            entry,
            audit.ACTIONS.get(entry.action, entry.action),
            _changes(_in_units(entry.changes)),
            images.get(entry.changes.get("task")),
        )
        for entry in context["page"].rows
    ]
    return render(request, "projects/log.html", context)


def _in_units(changes: dict[str, Any]) -> dict[str, Any]:
    """A rule's threshold as its page says it: 0.6 of the answers is 60 %. An old entry may not name the measure."""
    limit, measure = changes.get("threshold"), changes.get("measure")
    if limit is None or not isinstance(measure, str):
        return changes
    rule = Rule(measure=measure)
    told = [in_units(rule, one) for one in limit] if isinstance(limit, list) else in_units(rule, limit)
    return {**changes, "threshold": told}


def _changes(changes: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """``(field, before, after)`` as a person reads them; before is None where only one value was written down."""
    order = list(audit.FIELDS)
    rows: list[tuple[str, Any, Any]] = []
    for name in sorted(changes, key=lambda name: order.index(name) if name in order else len(order)):
        value = changes[name]
        of, _colon, field = name.rpartition(": ")  # a field of a survey's category or question is told with its key
        label = f"{of}: {audit.FIELDS.get(field, field)}" if of else audit.FIELDS.get(name, name)
        if isinstance(value, list) and len(value) == 2:
            rows.append((label, *_where_they_differ(_named(field, value[0]), _named(field, value[1]))))
        elif value not in (None, ""):
            rows.append((label, None, _named(field, value)))
    return rows


def _named(field: str, value: Any) -> str:
    """A value of a field in the words of its choices, where it has such."""
    names = audit.VALUES.get(field, {})
    if isinstance(value, list):
        return ", ".join(_named(field, item) for item in value) or "–"
    if field in audit.SHARES and isinstance(value, int | float):
        return as_percent(value)
    return str(names[value]) if isinstance(value, str) and value in names else _said(value)


def _where_they_differ(before: str, after: str) -> tuple[str, str]:
    """Long texts from a little before where they part: their beginning would be the same twice."""
    pairs = enumerate(zip(before, after, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after))) - NEAR
    return (f"…{before[same:]}", f"…{after[same:]}") if same > NEAR else (before, after)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list):
        value = ", ".join(_said(item) for item in value)
    elif isinstance(value, dict):
        value = ", ".join(f"{name}: {_said(item)}" for name, item in value.items())
    return "–" if value is None or value == "" else str(value)
