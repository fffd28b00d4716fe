"""Telling other programs what happened: signed, tried again with growing pauses or when the receiver asks to, and never
into our own network.

A delivery is a row written in the transaction of what it tells of; an actor sends it. The body is signed as
``X-Crowdtune-Signature: t=<unix seconds>,v1=<hex>``, where v1 is the HMAC-SHA256 of ``<t>.<body>`` under the webhook's
secret, so a receiver can refuse both forgeries and old letters. Source: RFC 2104; Stripe's and GitHub's webhooks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.http import parse_http_date_safe

from labeling.files.remote import FAILURES, Bounded, FetchRefused, PublicBackend, refused_at_sight, spelled
from labeling.models import Project, Webhook, WebhookDelivery
from labeling.resilience.heartbeat import SKEW
from labeling.text.words import gettext as _

SECONDS = 10.0  # for all of it, however slowly a receiver speaks
TURN = 10.0  # seconds of a turn that one receiver may take
LONG = 60.0  # seconds of a turn after which nobody is waited for who was not there before
AGAIN = 50  # letters after which one that was not there before comes between the others
SHARE = 20  # letters to one receiver before those to others come
# After each failure: 10 s, 1 min, 5 min, 30 min, 2 h, and four times 6 h, so that a receiver may be away for a day; the
# tenth is the last. A receiver may ask for 6 h of patience.
PAUSES = (10, 60, 300, 1800, 7200, *[21_600] * 5)
State = WebhookDelivery.State


def emit(
    *, project: Project, event: str, payload: dict[str, Any] | None = None, payloads: Iterable[dict[str, Any]] = ()
) -> int:
    """Write a delivery for every webhook of the project that asked for this event; returns to how many."""
    if not project.webhook_count:
        return 0
    hooks = [
        hook
        for hook in Webhook.objects.filter(project_id=project.pk, is_active=True)
        if not hook.events or event in hook.events
    ]
    told = [payload] if payload is not None else payloads
    bodies = [{"event": event, "project": project.slug, **each} for each in told]
    rows = (WebhookDelivery(webhook=hook, event=event, payload=body) for body in bodies for hook in hooks)
    WebhookDelivery.objects.bulk_create(rows, batch_size=1000)
    return len(hooks)


def tell_retired(*, project: Project, reasons: Mapping[int, str]) -> None:
    """Of every task that leaves the queue, by its id, whatever the reason: who collects labels has no other sign."""
    if reasons:
        told = ({"task": task_id, "because": str(reasons[task_id])} for task_id in sorted(reasons))
        emit(project=project, event="task.retired", payloads=told)


def refused_because(url: str) -> str:
    """Why nothing will be sent there, as far as the address alone tells: an owner should not learn it by waiting."""
    address = urlsplit(url)
    return refused_at_sight(address.hostname or "", address.port or (443 if address.scheme == "https" else 80))


def signature(secret: str, body: bytes, moment: int) -> str:
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def deliver_due(*, backend: httpcore.NetworkBackend | None = None, most: int = 200) -> int:
    """Send what is due, one after the other; returns how many arrived.

    Nobody waits for another's receiver. One that cannot be reached, or has taken TURN seconds, is left alone until the
    next turn; who has very many letters has SHARE of them sent before those of others; and those that could not be
    reached the last time come behind all others, in any order, while the turn is not LONG yet, or one of them after
    every AGAIN letters: where more come than a turn can send, those of who is back would wait for ever.
    """
    arrived, silent, unreached = 0, set[int](), _unreached()
    until = time.monotonic() + LONG
    taken: dict[int, float] = {}
    round_of: Counter[int] = Counter()
    for number in range(1, most + 1):
        if number % AGAIN == 0 and unreached:
            unreached.pop()
        row = _next({*silent, *unreached, *(hook for hook, letters in round_of.items() if letters >= SHARE)})
        if row is None and round_of:
            round_of.clear()
            row = _next({*silent, *unreached})
        if row is None and unreached and time.monotonic() < until:
            unreached.pop()
            continue
        if row is None:
            return arrived
        began = time.monotonic()
        arrived += _deliver(row, backend)
        hook = row.webhook_id
        round_of[hook] += 1
        taken[hook] = taken.get(hook, 0.0) + time.monotonic() - began
        if row.status_code is None or taken[hook] >= TURN:
            silent.add(hook)
    return arrived


def _unreached() -> list[int]:
    """Webhooks of which a letter waits because nobody was there to take it, shuffled."""
    waiting = WebhookDelivery.objects.filter(state=State.WAITING, attempts__gt=0, status_code=None)
    found = list(waiting.order_by().values_list("webhook_id", flat=True).distinct())
    random.shuffle(found)
    return found


def _next(without: Collection[int]) -> WebhookDelivery | None:
    """The oldest letter that is due, to other receivers than these and those that are turned off."""
    with transaction.atomic():
        now = timezone.now()
        # None waits for longer than PAUSES, and none is of the future: the clock was set back since.
        is_due = Q(next_at__lte=now) | Q(next_at__gt=now + timedelta(seconds=PAUSES[-1]) + SKEW)
        is_due |= Q(attempts=0, created_at__gt=now + SKEW)
        due = WebhookDelivery.objects.filter(is_due, state=State.WAITING)
        due = due.filter(webhook__is_active=True).exclude(webhook_id__in=without)
        row = due.select_for_update(skip_locked=True, of=("self",)).select_related("webhook").order_by("id").first()
        if row is not None:
            # Put off before it is sent: a process that dies while sending leaves it for later, not for ever.
            row.attempts += 1
            row.next_at = now + timedelta(seconds=PAUSES[min(row.attempts, len(PAUSES)) - 1])
            row.save(update_fields=["attempts", "next_at"])
    return row


def _deliver(row: WebhookDelivery, backend: httpcore.NetworkBackend | None) -> bool:
    is_last = row.attempts >= len(PAUSES)
    body = json.dumps({"id": row.pk, "created_at": row.created_at.isoformat(), **row.payload}).encode()
    try:
        row.status_code, wait = _post(row.webhook.url, body, row.webhook.secret, row.event, backend)
        unexpected = _("It answered %(status)s; 2xx was expected.") % {"status": row.status_code}
        row.error = "" if 200 <= row.status_code < 300 else unexpected
    except FetchRefused as error:
        row.status_code, row.error, wait = None, error.message, 0.0
        is_last = is_last or error.code == "address_refused"  # it will not become allowed by waiting
    if not row.error:
        row.state = State.DELIVERED
    elif is_last:
        row.state = State.FAILED
    # Its webhook, or all of the project, may be gone by now: then nobody asks how it went.
    WebhookDelivery.objects.filter(pk=row.pk).update(state=row.state, status_code=row.status_code, error=row.error)
    if wait > 0:
        until = timezone.now() + timedelta(seconds=min(wait, PAUSES[-1]))
        early = WebhookDelivery.objects.filter(webhook_id=row.webhook_id, state=State.WAITING, next_at__lt=until)
        early.update(next_at=until)  # all that is to go there: asking for one letter's patience is meant for each
    return row.state == State.DELIVERED


def _post(url: str, body: bytes, secret: str, event: str, backend: httpcore.NetworkBackend | None) -> tuple[int, float]:
    """POST without following redirects; the connection goes to a checked address.

    Returns:
        The status, and how many seconds the receiver wants to be left alone (0 where it does not say).
    """
    headers: dict[bytes | str, bytes | str] = {
        "Content-Type": "application/json",
        "User-Agent": "Crowdtune",
        "X-Crowdtune-Event": event,
        "X-Crowdtune-Signature": signature(secret, body, int(time.time())),
        **_credentials(url),
    }
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)
    try:
        # Only the status is read: what a stranger's program says below it may have no end.
        with (
            httpcore.ConnectionPool(network_backend=Bounded(backend or PublicBackend(), SECONDS)) as pool,
            pool.stream(
                "POST", spelled(url), headers=headers, content=body, extensions={"timeout": timeouts}
            ) as answer,
        ):
            return answer.status, _wait(answer)
    except (*FAILURES, ValueError) as error:
        raise FetchRefused(
            "fetch_failed", _("It could not be reached: %(name)s.") % {"name": type(error).__name__}
        ) from error


def _credentials(url: str) -> dict[bytes | str, bytes | str]:
    """A name and password that stand in the address, as every client sends them. Source: RFC 7617."""
    user, at, _host = urlsplit(url).netloc.rpartition("@")
    name, _colon, password = user.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"} if at else {}


def _wait(answer: httpcore.Response) -> float:
    """Seconds or a date in Retry-After. Source: RFC 9110, section 10.2.3."""
    if answer.status not in {429, 503}:
        return 0.0
    said = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    if said.isascii() and said.isdigit():
        return float(said)
    moment = parse_http_date_safe(said)
    return moment - time.time() if moment is not None else 0.0
