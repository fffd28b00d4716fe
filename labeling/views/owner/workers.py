"""The people of a project: their roles, how good and how quick they are, pauses, appeals and invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import ExpressionWrapper, F, FloatField, QuerySet, Value
from django.db.models.functions import NullIf
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from labeling import charts, doubts, services
from labeling.accounts import people, permissions
from labeling.collecting.phases import test_share
from labeling.models import ApiKey, Appeal, Judgment, Membership, Project, Role, RuleEvent, WorkerSkill
from labeling.views.owner import by_question
from labeling.views.owner.answers import names_of, shown_question
from labeling.views.owner.context import context_of, load_project, refusals
from labeling.views.owner.provenance import in_order

ORDERS = {
    "-judgment_count": gettext_lazy("Most judgments"),
    "accuracy": gettext_lazy("Least accurate"),
    "-accuracy": gettext_lazy("Most accurate"),
    "pace": gettext_lazy("Quickest"),
    "-joined_at": gettext_lazy("Newest"),
}
PAGE = 50
MOST_DRAWN = 40
MOST_APPEALS = 50


class WorkerFilter(forms.Form):
    q = forms.CharField(required=False)
    role = forms.ChoiceField(required=False, choices=[("", ""), ("paused", ""), ("behind", ""), *Role.choices])
    order = forms.ChoiceField(required=False, choices=[("", ""), *ORDERS.items()])


@login_required
def workers(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug)
    context = context_of(request, project, tab="workers")
    chosen = WorkerFilter(request.GET)
    chosen.is_valid()
    behind = doubts.far_behind(project)
    rows = filtered(project, chosen.cleaned_data, behind)
    rows = _ordered(rows, chosen.cleaned_data.get("order") or "-judgment_count").select_related("user")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context.update(
        page=page,
        behind={member.pk for member in behind},
        appeals=open_appeals(project),
        chosen=chosen.cleaned_data,
        is_filtered=any(chosen.cleaned_data.values()),
        roles=_roles(request, project),
        all_roles=Role.choices,
        orders=ORDERS,
        invite=request.build_absolute_uri(reverse("invitation", args=[project.invite])),
        plot=_skills(project, behind),
    )
    return render(request, "projects/workers.html", context)


def filtered(project: Project, data: dict[str, Any], behind: list[Membership]) -> QuerySet[Membership]:
    rows = Membership.objects.filter(project=project)
    if data.get("q"):
        rows = rows.filter(user__username__icontains=data["q"])
    if data.get("role") == "paused":
        return rows.filter(is_paused=True)
    if data.get("role") == "behind":
        return rows.filter(pk__in=[member.pk for member in behind])
    return rows.filter(role=data["role"]) if data.get("role") else rows


def _ordered(rows: QuerySet[Membership], order: str) -> QuerySet[Membership]:
    # Files of judgments mostly do not tell how long they took: no pace is no zero.
    pace = NullIf("seconds", Value(0.0)) / NullIf("judgment_count", Value(0))
    column = F(order.lstrip("-"))
    return rows.alias(pace=ExpressionWrapper(pace, FloatField())).order_by(
        column.desc(nulls_last=True) if order.startswith("-") else column.asc(nulls_last=True), "user__username"
    )


def open_appeals(project: Project) -> list[Appeal]:
    """Those that wait, the oldest first; each against a failed test with the share that was right."""
    rows = Appeal.objects.filter(membership__project=project, state=Appeal.State.OPEN)
    waiting = list(rows.select_related("membership__user").order_by("created_at")[:MOST_APPEALS])
    for appeal in waiting:
        member = appeal.membership
        failed = member.phase == Membership.Phase.FAILED
        appeal.test_share = test_share(project, member.user_id) if failed else None  # type: ignore[attr-defined]
    return waiting


def _roles(request: HttpRequest, project: Project) -> list[tuple[str, Any]]:
    """The roles that this person may give and take: only an owner makes managers."""
    is_owner = permissions.role_of(request.user, project) == Role.OWNER
    return [(role, name) for role, name in permissions.GIVEN if is_owner or role != Role.MANAGER]


def _skills(project: Project, behind: list[Membership]) -> charts.Chart:
    """Speed against accuracy: spammers are quick and wrong, and stand alone at the bottom left."""
    rows = Membership.objects.filter(project=project, judgment_count__gte=5, seconds__gt=0).exclude(accuracy=None)
    often = rows.select_related("user").order_by("-judgment_count", "pk")[:MOST_DRAWN]
    drawn = {m.pk: m for m in (*behind, *often) if m.seconds}
    marked = {m.pk for m in behind}
    points = [
        charts.Point(
            m.seconds / m.judgment_count, m.accuracy or 0.0, people.name_of(m.user), m.is_paused or pk in marked
        )
        for pk, m in list(drawn.items())[:MOST_DRAWN]
    ]
    told = _(
        "Quick and wrong is at the bottom left. People who are paused or far behind are drawn large. Accuracy is how"
        " often a person is right, as all answers and the gold tell."
    )
    if rows.count() > len(points):
        told += " " + _("Of the others, those with the most judgments are here; all are in the list below.")
    return charts.scatter(
        points,
        title=_("Speed and accuracy"),
        description=told,
        x_label=_("Seconds a task"),
        y_label=_("Accuracy"),
        y_format="percent",
    )


@login_required
@require_POST
def add_worker(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a person; the key of a new account is shown on the next page, once."""
    project = load_project(request, slug)
    with refusals(request):
        member, key = services.add_member(
            project=project,
            username=request.POST.get("username", "").strip(),
            role=request.POST.get("role", Role.WORKER),
            by=request.user,
        )
        if key:
            is_another = ApiKey.objects.filter(user=member.user, project=project).count() > 1
            context = context_of(request, project, tab="workers", member=member, key=key, is_another=is_another)
            return render(request, "projects/worker_key.html", context)
        messages.success(request, _("%(name)s is in the project now.") % {"name": member.user.username})
    return redirect("project-workers", project.slug)


@login_required
@require_POST
def renew_invite(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug)
    services.renew_invite(project=project, user=request.user)
    messages.success(request, _("There is a new invitation link; the old one does not work any more."))
    return redirect("project-workers", project.slug)


@login_required
@require_POST
def change_worker(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = load_project(request, slug, even_archived=request.POST.get("action") == "remove")
    member = get_object_or_404(Membership.objects.select_related("user", "project"), project=project, pk=pk)
    action = "role" if request.POST.get("role") else request.POST.get("action")
    name = {"name": people.name_of(member.user)}
    with refusals(request):
        if action == "pause":
            because = request.POST.get("because", "").strip()
            services.pause_worker(member=member, because=because, by=request.user)
            messages.success(request, _("%(name)s is paused.") % name)
        elif action == "resume":
            services.resume_worker(member=member, by=request.user)
            messages.success(request, _("%(name)s may go on.") % name)
        elif action == "weight":
            services.weigh_worker(member=member, weight=1.0, by=request.user)
            messages.success(request, _("What %(name)s says counts in full again.") % name)
        elif action == "discount":
            services.weigh_worker(member=member, weight=0.0, by=request.user)
            told = _(
                "Nothing that %(name)s says, or has said, counts any more. Finished tasks stay finished: to ask about "
                "them again, Change tasks on the Labels page."
            )
            messages.success(request, told % name)
        elif action == "role":
            services.change_member(member=member, role=request.POST.get("role", ""), by=request.user)
            messages.success(request, _("The role of %(name)s is changed.") % name)
        elif action == "remove":
            services.remove_member(member=member, by=request.user)
            messages.success(request, _("%(name)s is taken out; what was said stays.") % name)
            return redirect("project-workers", project.slug)
    return redirect("project-worker", project.slug, pk)


@login_required
@require_POST
def answer_appeal(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = load_project(request, slug)
    appeal = get_object_or_404(Appeal, membership__project=project, pk=pk)
    with refusals(request):
        services.decide_appeal(
            appeal=appeal,
            accept=request.POST.get("action") == "accept",
            answer=request.POST.get("answer", ""),
            by=request.user,
        )
        messages.success(request, _("The worker sees your answer on the next visit."))
    return redirect("project-workers", project.slug)


@login_required
def worker(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One person: record, what is taken for what at one question, and the last answers."""
    project = load_project(request, slug)
    member = get_object_or_404(Membership.objects.select_related("user"), project=project, pk=pk)
    asked = list(project.questions.order_by("position", "id"))
    question = shown_question(project, asked, request.GET.get("question"))
    words = {row.key: names_of(row) for row in asked}
    recent = Judgment.objects.filter(project=project, worker=member.user).select_related("task__image").order_by("-id")
    skill = WorkerSkill.objects.filter(question=question, worker=member.user).first()
    roles = _roles(request, project)
    at = doubts.by_question(project, member)
    context = context_of(
        request,
        project,
        tab="workers",
        member=member,
        is_behind=any(row.is_behind for row in at.values()),
        at_questions=[(row, at[row.pk]) for row in asked if row.pk in at],
        roles=roles,
        is_changeable=member.role in dict(roles),
        # A rule may have paused the owner, too, whom nobody else lets go on.
        is_pausable=member.role in dict(roles) or permissions.role_of(request.user, project) == Role.OWNER,
        shown=question,
        **by_question.of_person(question, skill),
        events=RuleEvent.objects.filter(membership=member).order_by("-id")[:20],
        appeals=member.appeals.order_by("-id")[:5],
        judgments=[
            (j, ", ".join(text for _key, text in in_order(j.answers, asked, words)), j.task.image) for j in recent[:30]
        ],
    )
    return render(request, "projects/worker.html", context)
