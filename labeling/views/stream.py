"""What the labeling page's script asks while a person works: the next leases, an undo, a search among many choices."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import Project
from labeling.services.claims import MOST_HELD
from labeling.surveys import survey
from labeling.surveys.asked_in import worded
from labeling.text import bodies
from labeling.text.words import gettext as _
from labeling.views import asking
from labeling.views.numbers import whole
from labeling.views.showing import task_data
from labeling.views.worker import project_to_label, which_answer


@login_required
@require_POST
def next_tasks(request: HttpRequest, slug: str) -> HttpResponse:
    """``{"hold": 3}`` -> ``{"tasks": […], "warning": ""}``.

    The tasks are the person's live leases, oldest first, brought up to so many; the warning is what a rule has told
    them and they have not read.
    """
    project = project_to_label(request, slug)
    try:
        hold = max(1, min(_hold(request), MOST_HELD))
        member = services.ensure_member(project=project, user=request.user)
        found = services.claim_leases(project=project, member=member, hold=hold)
    except CrowdtuneError as refusal:
        return _refused(refusal)
    tasks = [task_data(lease, worded(request, survey.load(project.pk, lease.survey_version))) for lease in found]
    return JsonResponse({"tasks": tasks, "warning": member.warning})


@login_required
@require_POST
def undo(request: HttpRequest, slug: str) -> HttpResponse:
    """``{"assignment": …}``, or nothing for the last answer -> ``{"task": …, "answers": …, "names": …}``.

    What was chosen is told by its name, too.
    """
    project = project_to_label(request, slug)
    try:
        which = which_answer(_body(request).get("assignment"))
        assignment, given = services.undo_last(project=project, worker=request.user, assignment_id=which)
    except CrowdtuneError as refusal:
        return _refused(refusal)
    lease = services.find_lease(project=project, worker=request.user, assignment_id=assignment.pk)
    asked = worded(request, survey.load(project.pk, assignment.survey_version))
    task = task_data(lease, asked) if lease else None
    chosen = [
        question
        for question in asked.at(assignment.task.stage)
        if question.kind == "single_choice" and question.key in given
    ]
    names = {question.key: asking.spoken(question, given[question.key]) for question in chosen}
    return JsonResponse({"task": task, "answers": given, "names": names})


@login_required
@require_GET
def choices(request: HttpRequest, slug: str) -> HttpResponse:
    """``?question=…&q=…&version=…`` -> ``{"results": [{"key", "name"}]}``: for more choices than fit a page."""
    project = project_to_label(request, slug)
    wanted = request.GET.get("question", "")
    for question in _asked(request, project).questions:
        if question.key == wanted:
            found = asking.close(question.options.get("choices", []), request.GET.get("q", ""))
            return JsonResponse({"results": found})
    return _refused(CrowdtuneError("not_found", _("There is no question %(key)s here.") % {"key": repr(wanted)}, 404))


def _asked(request: HttpRequest, project: Project) -> survey.Survey:
    """The survey that the page was made from, in its language: a held form is searched by its own choices."""
    version = whole(request.GET.get("version"))
    if not 0 < version <= project.survey_version:
        version = project.survey_version
    asked = survey.load(project.pk, version)
    code = request.GET.get("language", "")
    return asked.worded(code) if code in asked.languages else worded(request, asked)


def _body(request: HttpRequest) -> dict[str, Any]:
    if request.content_type in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        return request.POST.dict()
    try:
        body = bodies.loads(request.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CrowdtuneError("bad_request", _("Expected a JSON object."))
    return body


def _hold(request: HttpRequest) -> int:
    try:
        return int(_body(request).get("hold", 1))
    except (TypeError, ValueError, OverflowError) as error:
        raise CrowdtuneError("bad_request", _("`hold` must be a whole number.")) from error


def _refused(refusal: CrowdtuneError) -> HttpResponse:
    return JsonResponse(refusal.as_json(), status=refusal.status)
