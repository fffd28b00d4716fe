"""What a worker sees: the projects to label in, and the stream of tasks of one. Plain forms, to which label.js adds.

Each page shows one lease. An answer is a POST that redirects to the page again, which then shows the next lease.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling import services
from labeling.accounts import archived, languages
from labeling.accounts.earnings import work_of
from labeling.accounts.permissions import may, visible_projects
from labeling.collecting import rightness
from labeling.collecting.leases import Lease
from labeling.collecting.phases import BEFORE_WORK, golds_before_work, place_in_phase, test_share
from labeling.errors import CrowdtuneError
from labeling.models import Membership, Project
from labeling.services.judging import feedback
from labeling.surveys import asked_in, survey, tongues
from labeling.surveys.asked_in import language_of, of_answer
from labeling.surveys.guide import guide_of
from labeling.surveys.survey import Asked, Survey
from labeling.views import asking, noscript
from labeling.views.numbers import whole
from labeling.views.showing import client_data, drawn, lately_counted, marks, outbox_data, own_progress, task_data

MOST_OTHERS = 500  # projects that a person could join, on one page
SKIP_REASONS = {
    "unclear": gettext_lazy("The image is not clear enough"),
    "broken": gettext_lazy("The image does not load or is broken"),
    "unfitting": gettext_lazy("The question does not fit the image"),
    "offensive": gettext_lazy("The image upsets me"),
    "other": gettext_lazy("Another reason"),
}


@login_required
def projects(request: HttpRequest) -> HttpResponse:
    """Every project that this person may label in: joined ones, then open ones, by the person's languages."""
    members = {
        member.project_id: member
        for member in Membership.objects.filter(user_id=own_id(request)).select_related("project")
    }
    spoken = languages.of_user(request.user)
    chosen = request.GET.get("language", "")
    rows = visible_projects(request.user).filter(archived_at=None).select_related("owner")
    if chosen:
        wanted = languages.readable(Project.objects.all(), spoken if chosen == "mine" else [chosen])
        rows = rows.filter(Q(pk__in=list(members)) | Q(pk__in=wanted))
    mine = languages.ranked(rows.filter(pk__in=list(members)), spoken)
    joined = [_joined(project, members[project.pk]) for project in mine]
    joined.sort(key=lambda row: not row[3])  # what waits for this person stands above what does not
    work = work_of(own_id(request))  # as the profile says it
    others = list(languages.ranked(rows.exclude(pk__in=list(members)), spoken)[:MOST_OTHERS])
    told = asked_in.instructions_of(request, others)
    is_open = Project.Access.OPEN
    context = {
        "joined": joined,
        "open": [(row, told[row.pk]) for row in others if row.access == is_open and row.task_count],
        "own": [(row, told[row.pk]) for row in others if row.access != is_open],
        "streak": max((member.days_in_a_row for _project, member, *_more in joined), default=0),
        "earned": sum(row.earned for row in work),
        "speaks": bool(spoken),
        "language": chosen,
        "judgments": sum(row.judgment_count for row in work),
        "client": outbox_data(request),
    }
    return render(request, "labeling/projects.html", context)


def _joined(project: Project, member: Membership) -> tuple[Project, Membership, dict[str, int], bool]:
    """The last one: whether the person may answer there now, and there is something left to answer, as far as counts
    tell."""
    own = own_progress(project, member)
    barred = member.is_paused or project.is_paused or project.is_spent or member.phase == Membership.Phase.FAILED
    # Boxes come back for one more look; all else is answered once by a person.
    is_through = project.workflow == Project.Workflow.LABEL and own["done"] >= own["total"]
    return project, member, own, not barred and not is_through and project.retired_count < project.task_count


@never_cache  # the back button would bring images that are answered by now
@login_required
@require_http_methods(["GET", "POST"])
def stream(request: HttpRequest, slug: str) -> HttpResponse:
    """The next task of the project; a POST answers, skips or takes back, and comes back here."""
    project = project_to_label(request, slug)
    try:
        archived.refuse(project)
    except CrowdtuneError as refusal:
        return render(request, "labeling/paused.html", {"project": project, "refusal": refusal}, status=refusal.status)
    member = Membership.objects.filter(project=project, user_id=own_id(request)).first()
    if member is None:
        context = {**told_in(request, project, survey.current(project)), "first": golds_before_work(project)}
        return render(request, "labeling/intro.html", context)
    if request.method == "POST":
        return _act(request, project, member)
    return _next(request, project, member)


@login_required
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Join the project, after its instructions."""
    project = project_to_label(request, slug)
    with contextlib.suppress(CrowdtuneError):  # which the next page says
        services.ensure_member(project=project, user=request.user)
    return redirect("label-project", slug=slug)


@login_required
@require_POST
def choose_language(request: HttpRequest, slug: str) -> HttpResponse:
    """Be asked in another of the survey's languages, until the pages are switched to another."""
    project = project_to_label(request, slug)
    response = redirect("label-grid" if "grid" in request.POST else "label-project", slug=slug)
    code = request.POST.get("language", "")
    if code in survey.current(project).languages:
        age, secure = settings.LANGUAGE_COOKIE_AGE, settings.SESSION_COOKIE_SECURE
        response.set_cookie(asked_in.COOKIE, asked_in.choice(request, code), age, samesite="Lax", secure=secure)
    return response


@login_required
@require_POST
def read_warning(request: HttpRequest, slug: str) -> HttpResponse:
    """The worker has read a rule's message."""
    project = project_to_label(request, slug)
    services.read_warning(project=project, user=request.user)
    return redirect("label-grid" if "grid" in request.POST else "label-project", slug=slug)


def own_id(request: HttpRequest) -> int:
    """The signed-in person's id; the decorator above each view has seen to it that there is one."""
    return int(request.user.pk or 0)


def project_to_label(request: HttpRequest, slug: str) -> Project:
    project = Project.objects.filter(slug=slug).first()
    if project is None or not may(request.user, project, "label"):
        raise Http404
    return project


def _next(request: HttpRequest, project: Project, member: Membership) -> HttpResponse:
    try:
        found = services.claim_leases(project=project, member=member)
    except CrowdtuneError as refusal:
        return _refused(request, project, member, refusal)
    if not found:
        return _nothing(request, project, member)
    return show_task(request, project, member, found[0])


def _nothing(request: HttpRequest, project: Project, member: Membership) -> HttpResponse:
    """Nothing is left for this person, perhaps for now: what is with others may come to them."""
    context = {
        "project": project,
        "member": member,
        "manages": may(request.user, project, "manage"),
        "waits": project.retired_count < project.task_count and not project.is_spent,
        "last_answer": next(iter(lately_counted(member)), ""),
        "client": _looks(project, member),
    }
    return render(request, "labeling/nothing.html", context)


def _looks(project: Project, member: Membership) -> dict[str, Any]:
    """What a page needs that looks again by itself whether there is something to do."""
    return {"user": member.user_id, "claim": reverse("label-next", args=[project.slug])}


def _refused(request: HttpRequest, project: Project, member: Membership, refusal: CrowdtuneError) -> HttpResponse:
    """A test that was not passed, or a pause, of the project or of the worker; the worker may appeal."""
    context = {
        "project": project,
        "member": member,
        "refusal": refusal,
        "appeal": member.last_appeal,
        "client": {**_looks(project, member), "appeals": True},
    }
    if member.phase == Membership.Phase.FAILED:
        return render(request, "labeling/failed.html", {**context, "share": test_share(project, member.user_id)})
    return render(request, "labeling/paused.html", context, status=200 if member.is_paused else refusal.status)


def show_task(
    request: HttpRequest,
    project: Project,
    member: Membership,
    lease: Lease,
    *,
    given: dict[str, Any] | None = None,
    problem: CrowdtuneError | None = None,
    blank_rows: int = asking.BLANK_ROWS,
) -> HttpResponse:
    """Render one lease, with what stands in the form already and what is wrong with it."""
    asked = survey.load(project.pk, lease.survey_version)
    told = told_in(request, project, asked)
    asked = asked.worded(told["asked_in"])
    questions = asked.at(lease.stage)
    undone = request.session.pop(f"undone:{lease.id}", None) if given is None else None
    given = undone if given is None else given
    shown = asking.shown(
        questions,
        slug=project.slug,
        seed=lease.order_seed,
        version=lease.survey_version,
        language=asked.language,
        answers=given,
        problems=problem.fields if problem else None,
        blank_rows=blank_rows,
    )
    context = {
        **told,
        "phase": member.phase,
        "place": place_in_phase(project, member),
        "progress": own_progress(project, member),
        "warning": member.warning,
        "task": task_data(lease, asked),
        "marks": marks(lease.payload),
        "grid_url": "" if member.phase in BEFORE_WORK else _grid_url(project, questions),
        "questions": shown,
        "instant": asking.is_instant(questions),
        "has_boxes": any(question.kind == "boxes" for question in questions),
        "problem": problem.message if problem and not problem.fields else "",
        "skip_reasons": SKIP_REASONS.items(),
        "can_undo": member.judgment_count > 0 and member.phase == Membership.Phase.WORKING,
        "client": {**client_data(request, project, member, lease, asked, given), "undone": undone is not None},
    }
    return asking.with_examples(render(request, "labeling/task.html", context, status=400 if problem else 200), shown)


def told_in(request: HttpRequest, project: Project, asked: Survey) -> dict[str, Any]:
    """What a page says beside its questions, in the person's language, and the languages to choose from."""
    code = language_of(request, asked)
    words = asked.worded(code).wording
    return {
        "project": project,
        "asked_in": code,
        "tongues": [(other, tongues.NAMES[other]) for other in asked.languages] if len(asked.languages) > 1 else [],
        "instructions": words.instructions(project.instructions),
        "guide": guide_of(project, words),
    }


def _grid_url(project: Project, questions: Sequence[Asked]) -> str:
    """Where the same question is asked of many images at once; empty for surveys and stages that a grid cannot ask."""
    required = [question.kind for question in questions if question.required]
    if project.workflow != Project.Workflow.LABEL or required != ["yes_no"]:
        return ""
    return reverse("label-grid", args=[project.slug])


def _act(request: HttpRequest, project: Project, member: Membership) -> HttpResponse:
    """Take what the form says: undo, skip, more rows for boxes, or an answer."""
    try:
        if "undo" in request.POST:
            return _undo(request, project)
        assignment_id = uuid.UUID(request.POST.get("assignment", ""))
        if "skip" in request.POST:
            reason = request.POST["skip"]
            services.skip_assignment(assignment_id=assignment_id, worker=request.user, reason=reason)
            return redirect("label-project", slug=project.slug)
        return _answer(request, project, member, assignment_id)
    except ValueError:
        messages.error(request, _("That form was incomplete. Here is the task again."))
    except CrowdtuneError as refusal:
        messages.warning(request, refusal.message)
    return redirect("label-project", slug=project.slug)


def _undo(request: HttpRequest, project: Project) -> HttpResponse:
    which = which_answer(request.POST["undo"])
    lease, given = services.undo_last(project=project, worker=request.user, assignment_id=which)
    request.session[f"undone:{lease.pk}"] = given
    return redirect("label-project", slug=project.slug)


def which_answer(named: Any) -> uuid.UUID | None:
    """The assignment whose answer a page takes back, so that a second try takes back no other; None for the last."""
    try:
        return uuid.UUID(str(named))
    except ValueError:
        return None


def _answer(request: HttpRequest, project: Project, member: Membership, assignment_id: uuid.UUID) -> HttpResponse:
    lease = services.find_lease(project=project, worker=request.user, assignment_id=assignment_id)
    if lease is None:
        raise CrowdtuneError("lease_lost", _("Your time on that task was over, so it went to somebody else."), 409)
    asked = survey.load(project.pk, lease.survey_version)
    language = of_answer(request, request.POST)
    asked = asked.worded(language(asked))
    questions = asked.at(lease.stage)
    given = noscript.from_form(questions, request.POST)
    if "more" in request.POST:
        rows = asking.BLANK_ROWS + min(whole(request.POST["more"]), noscript.MOST_ROWS)
        return show_task(request, project, member, lease, given=given, blank_rows=rows)
    try:
        stored, _created = services.submit_judgment(
            assignment_id=assignment_id,
            worker=request.user,
            answers=given,
            seconds=request.POST.get("seconds"),
            language=language,
        )
    except CrowdtuneError as refusal:
        if refusal.code != "bad_answer":
            raise
        return show_task(request, project, member, lease, given=given, problem=refusal)
    told = feedback(judgment=stored)
    if member.phase == Membership.Phase.QUALIFICATION:
        member.refresh_from_db(fields=["phase"])
        if member.phase == Membership.Phase.WORKING:
            messages.success(request, _("You have passed the test. From now on your answers count."))
    if told is not None:
        return render(request, "labeling/feedback.html", _feedback(project, lease, asked, stored.answers, told))
    return redirect("label-project", slug=project.slug)


def _feedback(
    project: Project, lease: Lease, asked: Survey, given: dict[str, Any], told: dict[str, Any]
) -> dict[str, Any]:
    """What a practice answer is told at once: each question with the answer stored and the one expected."""
    rows = [
        {
            "prompt": question.prompt,
            "given": asking.spoken(question, given.get(question.key)),
            "expected": asking.spoken(question, told["expected"][question.key]),
            "right": rightness.is_right(given, {question.key: told["expected"][question.key]}),
        }
        for question in asked.at(lease.stage)
        if question.key in told["expected"]
    ]
    boxes = [box for key in told["expected"] for box in drawn("expected", told["expected"][key])]
    boxes += [box for key in told["expected"] for box in drawn("given", given.get(key))]
    return {
        "project": project,
        "task": task_data(lease, asked),
        "rows": rows,
        "told": told,
        "marks": marks(lease.payload, boxes),
        "is_drawn": bool(boxes),
    }
