"""What an owner sets to be told and to be safe: rules for workers, webhooks. All of it is logged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from labeling import audit
from labeling.collecting.rules import IN_A_ROW, SHARES
from labeling.errors import CrowdtuneError
from labeling.models import Project, Rule, Webhook, WebhookDelivery
from labeling.models.oversight import webhook_secret
from labeling.text.words import gettext as _

RULE_FIELDS = ("measure", "window", "comparison", "threshold", "action", "value", "message", "is_active")
EVENTS = {
    "judgment.created": gettext_lazy("Somebody has answered a task."),
    "task.retired": gettext_lazy("A task has its label, or nobody is asked any more; the reason is told."),
    "job.finished": gettext_lazy("An import, an export or other work in the background has ended."),
    "model.champion": gettext_lazy("Another version answers from now on."),
}
MOST_RULES = 50
MOST_WEBHOOKS = 20
MOST_WINDOW = 500  # judgments; as far as a rule looks back at each answer


def add_rule(*, project: Project, user: Any, **values: Any) -> Rule:
    """Add a rule; it is applied from the next judgment on.

    Raises:
        CrowdtuneError: invalid.
    """
    if project.rules.count() >= MOST_RULES:
        raise CrowdtuneError("invalid", _("At most %(most_rules)s rules are allowed.") % {"most_rules": MOST_RULES})
    rule = Rule(project=project, **_known(values))
    _check(rule)
    with transaction.atomic():
        rule.save(force_insert=True)
        _count(project)
        audit.write(project=project, user=user, action="rule_added", changes=_as_changes(rule))
    return rule


def change_rule(*, rule: Rule, user: Any, **values: Any) -> Rule:
    with transaction.atomic():
        _hold(rule, _("This rule is gone: somebody has removed it."))
        changes = audit.differences(rule, _known(values))
        for name, value in values.items():
            setattr(rule, name, value)
        _check(rule)
        if changes:
            rule.save(update_fields=list(changes))
            told = {"rule": rule.pk, "measure": rule.measure, "action": rule.action, **changes}
            audit.write(project=rule.project, user=user, action="rule_changed", changes=told)
    return rule


def remove_rule(*, rule: Rule, user: Any) -> None:
    with transaction.atomic():
        _hold(rule, _("This rule is gone: somebody has removed it."))
        audit.write(project=rule.project, user=user, action="rule_removed", changes=_as_changes(rule))
        project = rule.project
        rule.delete()
        _count(project)


def _known(values: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(values) - set(RULE_FIELDS))
    if unknown:
        raise CrowdtuneError(
            "invalid",
            _("A rule has no %(unknown)s.") % {"unknown": ", ".join(unknown)},
            fields={name: [] for name in unknown},
        )
    return values


def _check(rule: Rule) -> None:
    if not 1 <= rule.window <= MOST_WINDOW:
        raise _bad("window", _("A rule looks at the last 1 to %(most)s judgments.") % {"most": MOST_WINDOW})
    if rule.measure in SHARES and not 0 <= rule.threshold <= 1:
        raise _bad(
            "threshold",
            _("This measure is a share from 0 to 1, as 0.6 for 60 %%; got %(threshold)s.")
            % {"threshold": rule.threshold},
        )
    if rule.threshold < 0:
        raise _bad("threshold", _("A threshold is 0 or more."))
    if rule.measure in IN_A_ROW and rule.threshold > MOST_WINDOW:
        raise _bad("threshold", _("A rule counts at most %(most)s in a row.") % {"most": MOST_WINDOW})
    if rule.action == Rule.Action.WEIGHT and not (rule.value is not None and 0 <= rule.value <= 1):
        raise _bad("value", _("Say the new weight, from 0 to 1."))
    if rule.action == Rule.Action.OVERLAP and not (rule.value and rule.value >= 1 and rule.value % 1 == 0):
        raise _bad("value", _("Say how many judgments more are asked, 1 or more."))


def _as_changes(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in RULE_FIELDS}


def add_webhook(
    *, project: Project, user: Any, url: str, events: Sequence[str] = (), is_active: bool = True
) -> Webhook:
    """Tell a program of events by POST, signed with the webhook's secret; no events means all of them."""
    _check_webhook(url, events)
    if project.webhooks.count() >= MOST_WEBHOOKS:
        raise CrowdtuneError(
            "invalid", _("At most %(most_webhooks)s webhooks are allowed.") % {"most_webhooks": MOST_WEBHOOKS}
        )
    with transaction.atomic():
        hook = Webhook.objects.create(project=project, url=url, events=list(events), is_active=is_active)
        _count(project)
        audit.write(
            project=project,
            user=user,
            action="webhook_added",
            changes={"url": _logged(url), "events": ", ".join(events)},
        )
    return hook


def _logged(url: str) -> str:
    """The log is kept for ever, so a name and password that stand in the address stay out of it."""
    return re.sub("//[^/?#]*@", "//…@", url)


def _check_webhook(url: str, events: Any) -> None:
    if not _is_address(url):
        raise _bad(
            "url", _("Expected an address that starts with http:// or https://, got %(url)s.") % {"url": f"{url!r:.80}"}
        )
    unknown = (
        [event for event in events if event not in tuple(EVENTS)] if isinstance(events, list | tuple) else [events]
    )
    if unknown:
        raise _bad(
            "events",
            _("events is a list out of %(events)s; got %(unknown)s.")
            % {"events": ", ".join(EVENTS), "unknown": ", ".join(f"{event!r:.40}" for event in unknown[:5])},
        )


def _is_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        is_whole = address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
    except ValueError:  # half a bracket, or a port beyond 65535
        return False
    return is_whole and len(url) <= 500


def change_webhook(*, webhook: Webhook, user: Any, **values: Any) -> Webhook:
    """Change its ``url``, ``events`` or ``is_active``; the secret is replaced by ``replace_webhook_secret``.

    Raises:
        CrowdtuneError: invalid, or not_found where it is gone.
    """
    changes = audit.differences(webhook, values)
    for name in changes:
        setattr(webhook, name, values[name])
    _check_webhook(webhook.url, webhook.events)
    with transaction.atomic():
        _hold(webhook, _("This webhook is gone: somebody has removed it."))
        if changes:
            webhook.save(update_fields=list(changes))
            url = [_logged(one) for one in changes["url"]] if "url" in changes else _logged(webhook.url)
            audit.write(project=webhook.project, user=user, action="webhook_changed", changes={**changes, "url": url})
    return webhook


def replace_webhook_secret(*, webhook: Webhook, user: Any) -> Webhook:
    """Give the webhook another secret, by which what waits is signed, too.

    Until its program has that as well it refuses what comes, which comes again.

    Raises:
        CrowdtuneError: not_found where it is gone.
    """
    with transaction.atomic():
        _hold(webhook, _("This webhook is gone: somebody has removed it."))
        webhook.secret = webhook_secret()
        webhook.save(update_fields=["secret"])
        audit.write(
            project=webhook.project, user=user, action="webhook_secret_replaced", changes={"url": _logged(webhook.url)}
        )
    return webhook


def send_again(*, webhook: Webhook, user: Any, delivery: int | None = None) -> int:
    """Try all letters that were given up once more, or this one, as if they were new; returns how many.

    Raises:
        CrowdtuneError: not_found where the webhook or its letter is gone; not_given_up where there is none to send.
    """
    with transaction.atomic():
        _hold(webhook, _("This webhook is gone: somebody has removed it."))
        letters = webhook.deliveries.all() if delivery is None else webhook.deliveries.filter(pk=delivery)
        if delivery is not None and not letters.exists():
            raise CrowdtuneError("not_found", _("This webhook has no such delivery, or it was forgotten."), 404)
        states, now = WebhookDelivery.State, timezone.now()
        sent = letters.filter(state=states.FAILED).update(
            state=states.WAITING, attempts=0, status_code=None, error="", next_at=now
        )
        if not sent:
            raise CrowdtuneError("not_given_up", _("Nothing was given up here: there is nothing to send again."), 409)
        changes = {"url": _logged(webhook.url), "count": sent}
        audit.write(project=webhook.project, user=user, action="webhook_sent_again", changes=changes)
    return sent


def remove_webhook(*, webhook: Webhook, user: Any) -> None:
    with transaction.atomic():
        _hold(webhook, _("This webhook is gone: somebody has removed it."))
        audit.write(project=webhook.project, user=user, action="webhook_removed", changes={"url": _logged(webhook.url)})
        project = webhook.project
        webhook.delete()
        _count(project)


def _count(project: Project) -> None:
    """What an answer looks at, to know whether there is anything to apply or to tell."""
    Project.objects.filter(pk=project.pk).update(
        rule_count=project.rules.count(), webhook_count=project.webhooks.count()
    )


def _hold(row: Rule | Webhook, gone: str) -> None:
    """Nobody else removes it until the transaction ends."""
    if not list(type(row).objects.select_for_update().filter(pk=row.pk).values_list("pk")):
        raise CrowdtuneError("not_found", gone, 404)


def _bad(field: str, message: str) -> CrowdtuneError:
    return CrowdtuneError("invalid", message, field=field)
