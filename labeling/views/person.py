"""A person's own pages: profile, keys, earnings, an invitation, an appeal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling import services
from labeling.accounts import keys
from labeling.accounts.earnings import work_of
from labeling.accounts.languages import LANGUAGES
from labeling.collecting.phases import golds_before_work
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey, Judgment, Membership, PastWork, Profile, Project, Role
from labeling.surveys import survey
from labeling.surveys.asked_in import worded
from labeling.tables import as_csv
from labeling.views import shown_once
from labeling.views.numbers import whole
from labeling.views.owner.context import refusals, still_there
from labeling.views.worker import own_id, project_to_label


class ProfileForm(forms.Form):
    languages = forms.MultipleChoiceField(
        label=gettext_lazy("Languages you read well"),
        choices=LANGUAGES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    about = forms.CharField(
        label=gettext_lazy("About you"),
        max_length=300,
        required=False,
        help_text=gettext_lazy("What owners of projects should know: a field you know well, for instance."),
    )


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Languages, record and earnings by project, and the person's API keys."""
    form = ProfileForm(request.POST or None, initial=_stored(request))
    if request.method == "POST" and form.is_valid():
        services.change_profile(user=request.user, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("profile")
    return _profile_page(request, form)


def _stored(request: HttpRequest) -> dict[str, Any]:
    row = Profile.objects.filter(user_id=own_id(request)).first() or Profile()
    return {"languages": row.languages, "about": row.about}


def _profile_page(request: HttpRequest, form: ProfileForm) -> HttpResponse:
    members = sorted(
        work_of(own_id(request)), key=lambda row: row.name if isinstance(row, PastWork) else row.project.name
    )
    context = {
        "form": form,
        "members": [row for row in members if row.judgment_count or row.earned],
        "earned": sum(member.earned for member in members),
        "judgments": sum(member.judgment_count for member in members),
        "seconds": sum(member.seconds for member in members),
        "keys": keys.kept(request.user).select_related("project").order_by("-id"),
        "scopes": keys.SCOPE_NAMES,
        "new_key": shown_once.take(request),
        "languages": settings.LANGUAGES,
    }
    return shown_once.page(request, "labeling/profile.html", context)


@login_required
@require_POST
def make_key(request: HttpRequest) -> HttpResponse:
    """Make a key, or make one anew in the place of an old one; its text is on the next page and never again."""
    scopes = tuple(scope for scope in keys.SCOPES if scope in request.POST.getlist("scopes"))
    old = ApiKey.objects.filter(user_id=own_id(request), pk=whole(request.POST.get("replace"))).first()
    user: Any = request.user
    if old is not None:
        _row, text = keys.replace_key(row=old)
    elif not scopes:
        messages.error(request, _("Choose what the key may do."))
        return redirect("profile")
    else:
        _row, text = keys.create_key(user=user, name=request.POST.get("name", "")[:100], scopes=scopes)
    return shown_once.go_on(request, text, "profile")


@login_required
@require_POST
def delete_key(request: HttpRequest, key_id: int) -> HttpResponse:
    with refusals(request):
        rows = ApiKey.objects.filter(user_id=own_id(request))
        key = still_there(rows, key_id, _("This key is gone: it was revoked, or its time was over."))
        services.revoke_key(key=key, user=request.user)
        messages.success(request, _("The key does not work any more."))
    return redirect("profile")


def _of_what_is_deleted(user: int) -> Iterator[tuple[str, Decimal]]:
    """Project and sum of what the person is owed for answers that went with their images or their project."""
    standing = Judgment.objects.filter(worker_id=user, withdrawn_at=None).order_by()
    listed = dict(standing.values_list("project").annotate(Sum("price")))
    for row in work_of(user):
        if isinstance(row, PastWork):
            yield row.slug, row.earned
        elif rest := row.earned - listed.get(row.project_id, 0):
            yield row.project.slug, rest


@login_required
@require_GET
def earnings(request: HttpRequest) -> StreamingHttpResponse:
    """Every answer with what it earned, as streamed CSV; then, a line a project, what was earned by what is deleted."""
    rows = (
        Judgment.objects.filter(worker_id=request.user.pk, project__deleted_at=None)
        .order_by("id")
        .values_list("created_at", "project__slug", "task_id", "seconds", "price", "withdrawn_at")
    )

    def lines() -> Iterator[list[Any]]:
        yield ["when", "project", "task", "seconds", "price", "withdrawn"]
        for when, slug, task, seconds, price, withdrawn in rows.iterator(chunk_size=2000):
            earned, note = (0, "yes") if withdrawn else (price, "")
            yield [when.isoformat(), slug, task, seconds, earned, note]
        for slug, price in _of_what_is_deleted(own_id(request)):
            yield ["", slug, "deleted", "", price, ""]

    return as_csv("earnings", lines())


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind an invitation link: what the project is, and a button to join it, or the way to an account."""
    project = Project.objects.at_work().filter(invite=token).first()
    if project is None:
        raise Http404(_("This invitation is not valid any more. Ask for a new link."))
    if request.method == "POST" and not request.user.is_authenticated:  # signed out meanwhile
        return redirect_to_login(request.path)
    if request.method == "POST":
        user: Any = request.user
        services.join_by_invite(invite=token, user=user)
        return redirect("label-project", slug=project.slug)
    if Membership.objects.filter(project=project, user_id=own_id(request), role=Role.WORKER).exists():
        return redirect("label-project", slug=project.slug)  # whoever keeps the link as the way to the work
    instructions = worded(request, survey.current(project)).wording.instructions(project.instructions)
    context = {
        "project": project,
        "instructions": instructions,
        "onward": request.path,
        "first": golds_before_work(project),
    }
    return render(request, "labeling/invitation.html", context)


@login_required
@require_POST
def appeal(request: HttpRequest, slug: str) -> HttpResponse:
    """A paused worker's word against the pause."""
    project = project_to_label(request, slug)
    member = get_object_or_404(Membership, project=project, user_id=own_id(request))
    try:
        services.appeal_pause(member=member, text=request.POST.get("text", ""))
        messages.success(request, _("Your appeal was sent."))
    except CrowdtuneError as refusal:
        messages.warning(request, refusal.message)
    return redirect("label-project", slug=slug)
