"""The languages of a survey: each text beside its original, how far each language is, and the same as a table."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.forms import wordings as words_form
from labeling.models import Project
from labeling.services.wordings import outdated_of, progress_of
from labeling.surveys import tongues
from labeling.surveys.translations import to_translate
from labeling.views.numbers import whole
from labeling.views.owner.context import context_of, load_project
from labeling.views.owner.survey import still_seen, tell_saved

SHOWN = 300  # texts on one page; the others are in the table
MOST_BYTES = 20 * 2**20


@login_required
def wordings(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose a language and word the survey in it; say which one it is written in."""
    project = load_project(request, slug)
    document = project.frozen_survey()
    code = _code(request, document)
    if request.method != "POST":
        return _page(request, project, document, code)
    change: dict[str, Any] = {}
    try:
        if request.POST.get("action") == "original":
            change["language"] = request.POST.get("original", "")
        elif request.POST.get("action") == "remove":
            change["wordings"] = {code: None}
        else:
            words = _sent(request, project, document, code)
            change["wordings"] = {code: words}
            change["unread"] = words_form.untouched(document, code, words) - set(request.POST.getlist("right"))
        saved = services.replace_survey(project=project, user=request.user, seen=still_seen(request), **change)
    except ValueError as error:
        return _page(request, project, document, code, problem=str(error))
    except CrowdtuneError as error:
        return _page(request, project, document, code, problem=error.message, seen=still_seen(request, error))
    tell_saved(request, project, saved, _("Saved."))
    back = reverse("project-languages", args=[slug])
    return redirect(f"{back}?code={code}" if code and request.POST.get("action") != "remove" else back)


def _code(request: HttpRequest, document: dict[str, Any]) -> str:
    """The language that the page is about; none where it is not known, or the one that the survey is written in."""
    code = request.POST.get("code", request.GET.get("code", ""))
    return code if code in tongues.NAMES and code != document.get("language") else ""


def _sent(request: HttpRequest, project: Project, document: dict[str, Any], code: str) -> dict[str, Any]:
    """The translation that came, by the form's fields or as a table."""
    if not code:
        raise ValueError(_("Choose a language."))
    file = request.FILES.get("table")
    if request.POST.get("action") != "table":
        return words_form.sent_words(request.POST, document, project.instructions)
    if file is None or (file.size or 0) > MOST_BYTES:
        raise ValueError(_("Choose a CSV file of at most %(most)s MB.") % {"most": MOST_BYTES // 2**20})
    stored = document.get("translations", {}).get(code, {})
    return words_form.from_table(file.read(), to_translate(document, project.instructions, code), stored)


def _page(
    request: HttpRequest,
    project: Project,
    document: dict[str, Any],
    code: str,
    *,
    problem: str = "",
    seen: int = 0,
) -> HttpResponse:
    """``problem`` is about what was sent, which stands in the form again."""
    original = document.get("language", "")
    progress = progress_of(project)
    texts = to_translate(document, project.instructions, code) if code else []
    words = words_form.by_name(document.get("translations", {}).get(code, {}))
    if request.method == "POST" and request.POST.get("action") == "save":
        words |= {text.name: request.POST[text.name] for text in texts if text.name in request.POST}
    outdated = outdated_of(project, document, code)
    first = project.languages[0] if project.languages else ""
    context = context_of(request, project, tab="settings", section="survey", progress=progress, problem=problem)
    context |= {
        "original": original,
        "suggested": original or (first if first in tongues.NAMES else "en"),
        "names": sorted(tongues.NAMES.items(), key=lambda item: item[1].casefold()),
        "others": [item for item in tongues.NAMES.items() if item[0] not in {original, *(p["code"] for p in progress)}],
        "code": code,
        "language": tongues.NAMES.get(code, ""),
        "rows": list(words_form.rows(texts[:SHOWN], words, outdated)),
        "done": sum(bool(words.get(text.name, "").strip()) for text in texts),
        "total": len(texts),
        "is_stored": code in document.get("translations", {}),
        "seen": seen or whole(request.POST.get("seen")) or project.survey_version,
    }
    return render(request, "projects/languages.html", context, status=400 if problem else 200)


@login_required
def as_csv(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """The texts of one language as a table, to fill in and to send back."""
    project = load_project(request, slug)
    if code not in tongues.NAMES:
        raise Http404
    document = project.frozen_survey()
    words = words_form.by_name(document.get("translations", {}).get(code, {}))
    text = words_form.table(to_translate(document, project.instructions, code), words)
    name = f"{project.slug}-{code}.csv"
    return HttpResponse(
        text, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
