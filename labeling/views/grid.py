"""Tap all that contain X: many images under one yes/no question, answered together. ImageNet's own way of asking.

Source: Deng et al. 2009, ImageNet: A Large-Scale Hierarchical Image Database.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling import services
from labeling.collecting.leases import Lease
from labeling.collecting.phases import BEFORE_WORK
from labeling.errors import CrowdtuneError
from labeling.models import Project
from labeling.surveys import survey
from labeling.surveys.asked_in import of_answer
from labeling.surveys.survey import Asked
from labeling.views import asking
from labeling.views.showing import grid_data, task_data
from labeling.views.worker import project_to_label, told_in

TILES = 12
LAST = "grid"  # in the session: the grid that was sent last, or what had been tapped of the one that came back


@never_cache  # the back button would bring images that are answered by now
@login_required
@require_http_methods(["GET", "POST"])
def grid(request: HttpRequest, slug: str) -> HttpResponse:
    """A grid of leases; a POST answers all of them and brings the next grid, or the last one once more."""
    project = project_to_label(request, slug)
    try:
        if request.method == "POST":
            (_take_back if "undo" in request.POST else _answer)(request, project)
            return redirect("label-grid", slug=slug)
        member = services.ensure_member(project=project, user=request.user)
        if member.phase in BEFORE_WORK:  # whose answers are told right or wrong one by one
            return redirect("label-project", slug=slug)
        question, found = services.claim_grid(project=project, member=member, size=TILES)
    except CrowdtuneError as refusal:
        messages.warning(request, refusal.message)
        return redirect("label-project", slug=slug)
    if not found:
        return redirect("label-project", slug=slug)
    asked = survey.load(project.pk, found[0].survey_version)
    told = told_in(request, project, asked)
    asked = asked.worded(told["asked_in"])
    question = next(one for one in asked.questions if one.key == question.key)
    last = _last(request, project)
    tapped = set(last.get("tapped", []))
    # Of a grid that is taken back the next one is leased already, and comes after it.
    shown = [(lease, {"suggested": _suggested(lease, question), "tapped": str(lease.id) in tapped}) for lease in found]
    tiles = [{**task_data(lease, asked), **told} for lease, told in shown[:TILES]]
    suggests = any(tile["suggested"] for tile in tiles)
    context: dict[str, Any] = {
        **told,
        "question": question,
        "tiles": tiles,
        "suggests": suggests,
        "warning": member.warning,
        "can_undo": bool(_to_take_back(request, project)),
        "client": grid_data(request, project, asked, question, tiles),
    }
    return render(request, "labeling/grid.html", context)


def _suggested(lease: Lease, question: Asked) -> str:
    """What the model says of a tile, in a word; empty for a blind one."""
    found = lease.payload.get("suggestions") or {}
    return asking.spoken(question, found[question.key]) if question.key in found else ""


def _last(request: HttpRequest, project: Project) -> dict[str, Any]:
    last: dict[str, Any] = request.session.get(LAST, {})
    return last if last.get("project") == project.pk else {}


def _to_take_back(request: HttpRequest, project: Project) -> list[uuid.UUID]:
    sent = [uuid.UUID(text) for text in _last(request, project).get("sent", [])]
    return sent if services.can_undo_grid(project=project, worker=request.user, tiles=sent) else []


def _take_back(request: HttpRequest, project: Project) -> None:
    sent = _to_take_back(request, project)
    if not sent:
        messages.warning(request, _("There is no grid left to take back."))
        return
    back = services.undo_grid(project=project, worker=request.user, tiles=sent)
    request.session[LAST] = {"project": project.pk, "tapped": [str(lease) for lease, said in back.items() if said]}
    messages.info(request, _("The last grid is taken back; here it is again."))


def _answer(request: HttpRequest, project: Project) -> None:
    try:
        shown = [uuid.UUID(text) for text in request.POST.getlist("shown")]
        tapped = [uuid.UUID(text) for text in request.POST.getlist("tapped")]
        seconds = float(request.POST.get("seconds") or 0) or None
    except ValueError as error:
        raise CrowdtuneError("invalid", _("That form was incomplete. Here is the task again.")) from error
    stored = services.submit_grid(
        project=project,
        worker=request.user,
        shown=shown,
        tapped=tapped,
        seconds=seconds,
        language=of_answer(request, request.POST),
        in_part=True,
    )
    lost = len(shown) - len(stored)
    if lost:
        text = ngettext(
            "%(n)s image was answered or handed on meanwhile; your answer to it is not stored.",
            "%(n)s images were answered or handed on meanwhile; your answers to them are not stored.",
            lost,
        )
        messages.warning(request, text % {"n": lost})
    if not stored:
        return
    request.session[LAST] = {"project": project.pk, "sent": [str(judgment.assignment_id) for judgment in stored]}
    text = ngettext("%(n)s answer stored.", "%(n)s answers stored.", len(stored)) % {"n": len(stored)}
    messages.success(request, text)
