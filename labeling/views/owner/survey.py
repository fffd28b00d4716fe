"""The survey builder: compose questions, and see them as a worker will, on a phone and on a desktop."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.files import storage
from labeling.forms.survey import KIND_NAMES, SurveyForms
from labeling.forms.wordings import sent_words
from labeling.models import Image, Project
from labeling.services.surveys import build_document, check_conditions, checked_questions, stored_questions
from labeling.services.wordings import progress_of, stored_wordings
from labeling.surveys import survey
from labeling.text import bodies
from labeling.text.words import clause
from labeling.views import asking
from labeling.views.numbers import whole
from labeling.views.owner.context import context_of, load_project

# The preview is the one page of ours that may stand in a frame, and only in one of our own pages.
FRAME_POLICY = (
    "default-src 'self'; img-src 'self' data: blob: https: http:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)


@login_required
def builder(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the questions; on POST change their list, or store them as the next version of the survey."""
    project = load_project(request, slug)
    if request.method != "POST":
        return _page(request, project, SurveyForms.stored(stored_questions(project)))
    found = SurveyForms.sent(request.POST)
    action = request.POST.get("action", "save")
    if action != "save":
        found.change(action)
        return _page(request, project, found, seen=still_seen(request))
    if found.is_valid():
        try:
            saved = services.replace_survey(
                project=project, user=request.user, questions=found.questions(), seen=still_seen(request)
            )
        except CrowdtuneError as error:
            return _page(request, project, found, problem=error.message, status=400, seen=still_seen(request, error))
        tell_saved(request, project, saved, _("Saved as a new version: judgments know which version they answered."))
        if project.judgment_count and saved.survey_version != project.survey_version:
            told = _(
                "Answers that fit the new questions count on. To ask about the same images again: Change tasks, "
                "on the Labels page."
            )
            messages.info(request, told)
        return redirect("project-survey", project.slug)
    return _page(
        request, project, found, problem=_("Some questions need a look."), status=400, seen=still_seen(request)
    )


def still_seen(request: HttpRequest, error: CrowdtuneError | None = None) -> int:
    """The version that the form goes on from; who has been told of a newer one goes on from that."""
    return 0 if error is not None and error.code == "survey_changed" else whole(request.POST.get("seen"))


def tell_saved(request: HttpRequest, before: Project, after: Project, told: str) -> None:
    """``told`` where there is a new version: what is sent again as it is makes none."""
    is_new = after.survey_version != before.survey_version
    messages.success(request, told if is_new else _("The survey is as it was, so it has no new version."))


def _page(
    request: HttpRequest,
    project: Project,
    forms: SurveyForms,
    *,
    problem: str = "",
    status: int = 200,
    document: str | None = None,
    seen: int = 0,
) -> HttpResponse:
    """``document`` is JSON that was sent and not taken; ``problem`` is about it then. ``seen``: what is not stored yet
    began with that version."""
    context = context_of(
        request,
        project,
        tab="settings",
        section="survey",
        forms=forms.forms,
        keys=forms.keys(),
        kinds=KIND_NAMES,
        problem=problem,
        is_document=document is not None,
        # What is wrong somewhere in a long survey, and no form knows where, is in none that is folded.
        is_open=bool(problem) and document is None and not any(form.errors for form in forms.forms),
        seen=seen or project.survey_version,
        progress=progress_of(project),
        language=stored_wordings(project).get("language", ""),
        document=json.dumps(_public(project), indent=2, ensure_ascii=False) if document is None else document,
    )
    return render(request, "projects/survey.html", context, status=status)


def _public(project: Project) -> list[dict[str, Any]]:
    """The stored questions as the API takes them."""
    rows = stored_questions(project)
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


@login_required
@require_POST
def load_json(request: HttpRequest, slug: str) -> HttpResponse:
    """The whole survey as JSON, as the API takes it."""
    project = load_project(request, slug)
    document = request.POST.get("document", "")
    try:
        questions = bodies.loads(document)
        if not isinstance(questions, list):
            raise CrowdtuneError("bad_survey", _("Expected a list of questions."))
        saved = services.replace_survey(
            project=project, user=request.user, questions=questions, seen=still_seen(request)
        )
    except ValueError as error:
        seen = still_seen(request)
        problem = _("That is not valid JSON (%(error)s).") % {"error": clause(error)}
    except CrowdtuneError as error:
        seen, problem = still_seen(request, error), error.message
    else:
        tell_saved(request, project, saved, _("The survey is replaced by what you pasted."))
        return redirect("project-survey", project.slug)
    stored = SurveyForms.stored(stored_questions(project))
    return _page(request, project, stored, problem=problem, status=400, document=document, seen=seen)


@login_required
def schema(request: HttpRequest, slug: str) -> HttpResponse:
    """The JSON Schema of the answers to the survey as it stands."""
    project = load_project(request, slug, "review")
    stage = request.GET.get("stage", "label")
    return JsonResponse(survey.json_schema(survey.current(project), stage), content_type="application/schema+json")


@login_required
@xframe_options_sameorigin
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """A worker's page of these questions, over a picture of the project; nothing can be sent from it."""
    project = load_project(request, slug, even_archived=True)
    asked, problem = _asked(request, project)
    questions = asked.questions
    # With a script, boxes have no rows until one is drawn.
    rows = asking.shown(questions, slug=project.slug, seed="preview", language=asked.language, blank_rows=0)
    for row in rows:
        row["hidden"] = False
    picture = Image.objects.filter(project=project).order_by("id").first()
    context = {
        "project": project,
        "questions": rows,
        "conditional": sum(question.show_if is not None for question in questions),
        "instant": asking.is_instant(questions),
        "has_boxes": any(question.kind == "boxes" for question in questions),
        "picture": picture,
        "url": storage.image_url(picture) if picture else "",
        "problem": problem,
        "asked_in": asked.language,
    }
    # The words around the questions, too, where the pages speak the language.
    of_pages = {code for code, _name in settings.LANGUAGES} & {asked.language}
    with translation.override(of_pages.pop()) if of_pages else nullcontext():
        response = render(request, "projects/survey_preview.html", context)
    response["Content-Security-Policy"] = FRAME_POLICY
    return response


def _asked(request: HttpRequest, project: Project) -> tuple[survey.Survey, str]:
    """The survey that the builder sent, or a translation of it, else what is stored; and what is wrong with it."""
    document = build_document(project)
    problem = ""
    code = request.POST.get("code") or request.GET.get("code")
    if code:
        document |= stored_wordings(project)
        if request.method == "POST":
            document["translations"] = {**document.get("translations", {}), code: sent_words(request.POST, document)}
        return survey.parse_worded(project.survey_version, document, code), ""
    if request.method == "POST":
        found = SurveyForms.sent(request.POST, is_draft=True)
        if found.is_valid():
            try:
                rows = checked_questions(found.questions())
                document["questions"] = [{"id": 0, **row} for row in rows]
                check_conditions(survey.parse(project.survey_version, document))
            except CrowdtuneError as error:
                problem = error.message
        else:
            problem = _("Some questions need a look.")
    original = stored_wordings(project).get("language", "")
    return survey.parse_worded(project.survey_version, {**document, "language": original}, original), problem
