"""Rules for workers, and webhooks: the settings that are lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from labeling import services
from labeling.collecting.rules import IN_A_ROW, by_chance, first_look, in_units, offered
from labeling.errors import CrowdtuneError
from labeling.forms.settings import RuleForm
from labeling.models import Project, Rule, Webhook, WebhookDelivery
from labeling.services.oversight import EVENTS, RULE_FIELDS
from labeling.templatetags.ui import percent
from labeling.views.numbers import whole
from labeling.views.owner.context import context_of, load_project, refusals, still_there
from labeling.views.owner.settings import refuse
from labeling.webhooks import refused_because

# How a receiver in Python knows a genuine event: ``signature`` of labeling.webhooks, from the other side.
CHECK = """import hashlib, hmac

def is_genuine(secret: str, header: str, body: bytes) -> bool:  # header: X-Crowdtune-Signature
    moment, digest = (part.partition("=")[2] for part in header.split(","))
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return hmac.compare_digest(signed.hexdigest(), digest)"""


@login_required
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    """The rules, a form for another, and those that are offered: ``first`` names the measures of the ones to take."""
    project = load_project(request, slug)
    form = RuleForm(None if "first" in request.POST else request.POST or None, initial={"window": 20})
    rows = project.rules.select_related("project").annotate(fired=Count("events")).order_by("id")
    if "first" in request.POST:
        wanted = request.POST["first"].split()
        _take(request, project, [rule for rule in offered(project, rows) if rule.measure in wanted])
        return redirect("project-rules", project.slug)
    if request.method == "POST" and form.is_valid():
        try:
            services.add_rule(project=project, user=request.user, **form.cleaned_data)
        except CrowdtuneError as error:
            refuse(form, error)
        else:
            messages.success(request, _("The rule holds from the next judgment on."))
            return redirect("project-rules", project.slug)
    found: dict[str, Any] = {"rules": [_told(rule) for rule in rows]}
    found["offered"] = [_told(rule) for rule in offered(project, rows)]
    context = context_of(request, project, tab="settings", section="rules", form=form, in_a_row=IN_A_ROW, **found)
    return render(request, "projects/rules.html", context, status=400 if form.errors else 200)


def _take(request: HttpRequest, project: Project, wanted: list[Rule]) -> None:
    with refusals(request):
        for rule in wanted:
            services.add_rule(project=project, user=request.user, **model_to_dict(rule, RULE_FIELDS))
        n = len(wanted)
        told = ngettext("%(n)d rule holds from now on.", "%(n)d rules hold from now on.", n) % {"n": n}
        messages.success(request, told)


def _told(rule: Rule) -> dict[str, Any]:
    """A rule, and what people read of it: a share as a percentage."""
    chance = by_chance(rule)
    limit = in_units(rule, rule.threshold)
    met = None if chance is None else percent(chance, 0 if chance >= 0.01 else 1)
    return {"rule": rule, "limit": limit, "chance": met, "first_look": first_look(rule)}


@login_required
@require_POST
def change_rule(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = load_project(request, slug)
    with refusals(request):
        rows = Rule.objects.filter(project=project).select_related("project")
        rule = still_there(rows, pk, _("This rule is gone: somebody has removed it."))
        if request.POST.get("action") == "remove":
            services.remove_rule(rule=rule, user=request.user)
        else:
            services.change_rule(rule=rule, user=request.user, is_active=request.POST.get("action") == "on")
    return redirect("project-rules", project.slug)


@login_required
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug)
    if request.method != "POST":
        return _webhooks(request, project)
    url, chosen = request.POST.get("url", "").strip(), request.POST.getlist("events")
    try:
        services.add_webhook(project=project, user=request.user, url=url, events=chosen)
    except CrowdtuneError as error:
        return _webhooks(request, project, error.message)
    if not refused_because(url):  # the page warns of it
        messages.success(request, _("The webhook is told of what happens from now on."))
    return redirect("project-webhooks", project.slug)


def _webhooks(request: HttpRequest, project: Project, problem: str = "", of: int | None = None) -> HttpResponse:
    """The page; after a refusal what was typed stays in its form, which is that of one webhook or that of a new one."""
    states = WebhookDelivery.State
    sent = Count("deliveries", filter=Q(deliveries__state=states.DELIVERED))
    failed = Count("deliveries", filter=Q(deliveries__state=states.FAILED))
    waiting = Count("deliveries", filter=Q(deliveries__state=states.WAITING))
    refused = Count("deliveries", filter=Q(deliveries__state=states.WAITING) & ~Q(deliveries__error=""))
    counts = {"sent": sent, "failed": failed, "waiting": waiting, "refused": refused}
    found = project.webhooks.annotate(**counts).order_by("id")
    refused_at_sight = {hook.pk: why for hook in found if (why := refused_because(hook.url))}
    last = WebhookDelivery.objects.filter(webhook__project=project).select_related("webhook").order_by("-id")[:20]
    context: dict[str, Any] = {"section": "webhooks", "webhooks": found, "events": EVENTS.items(), "deliveries": last}
    context["refused_at_sight"] = refused_at_sight
    typed = {"url": request.POST.get("url", "").strip(), "chosen": request.POST.getlist("events")}
    context |= {**typed, "problem": problem, "problem_of": of, "check": CHECK}
    page = context_of(request, project, tab="settings", **context)
    return render(request, "projects/webhooks.html", page, status=400 if problem else 200)


@login_required
def change_webhook(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What a button of the page asks for; a page that was refused, loaded again, is the page."""
    project = load_project(request, slug, even_archived=True)  # its exports are told of still
    if request.method != "POST":
        get_object_or_404(project.webhooks, pk=pk)
        return redirect("project-webhooks", project.slug)
    with refusals(request):
        rows = Webhook.objects.filter(project=project).select_related("project")
        hook = still_there(rows, pk, _("This webhook is gone: somebody has removed it."))
        act = WEBHOOK_ACTIONS.get(request.POST.get("action", ""), _turn)
        if (refusal := act(request, hook)) is not None:
            return refusal
    return redirect("project-webhooks", project.slug)


def _turn(request: HttpRequest, hook: Webhook) -> None:
    services.change_webhook(webhook=hook, user=request.user, is_active=request.POST.get("action") == "on")


def _remove(request: HttpRequest, hook: Webhook) -> None:
    services.remove_webhook(webhook=hook, user=request.user)


def _replace_secret(request: HttpRequest, hook: Webhook) -> None:
    services.replace_webhook_secret(webhook=hook, user=request.user)


def _send_again(request: HttpRequest, hook: Webhook) -> None:
    one = whole(request.POST["delivery"]) if "delivery" in request.POST else None
    services.send_again(webhook=hook, user=request.user, delivery=one)
    later = _("It is sent again once the webhook is turned on.")
    messages.success(request, _("It is sent again now.") if hook.is_active else later)


def _rewrite(request: HttpRequest, hook: Webhook) -> HttpResponse | None:
    """Another address or other events; what is refused comes back in its form."""
    url, events = request.POST.get("url", "").strip(), request.POST.getlist("events")
    try:
        services.change_webhook(webhook=hook, user=request.user, url=url, events=events)
    except CrowdtuneError as error:
        if error.code != "invalid":
            raise
        return _webhooks(request, hook.project, error.message, hook.pk)
    messages.success(request, _("Saved."))
    return None


# What the page's buttons are called; those that are not here turn the webhook on and off.
WEBHOOK_ACTIONS: dict[str, Callable[[HttpRequest, Webhook], HttpResponse | None]] = {
    "remove": _remove,
    "secret": _replace_secret,
    "again": _send_again,
    "change": _rewrite,
}
