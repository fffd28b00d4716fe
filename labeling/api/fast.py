"""The two calls that a crowd makes all day, by the short way: claim and answer with a key.

A plain Django view and two to five prepared statements, where Django REST framework and the ORM cost ten times that.
It takes only the ordinary case. Whatever is not (a session, a stranger, an unknown key, a body to complain about) goes
to the documented view beside it, so there is one place that refuses, and both ways call the same verbs.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from labeling import glance, keys, permissions, services, survey
from labeling.api.assignments import head
from labeling.errors import CrowdtuneError
from labeling.glance import Caller
from labeling.leases import Lease
from labeling.models import Project

View = Callable[..., HttpResponse]
Quick = Callable[..., HttpResponse | None]


def quickly(quick: Quick, view: Any) -> Any:
    """Try the short way for a POST with a key; None from it means the whole way. Keeps what the schema reads of it."""

    @functools.wraps(view)
    def choose(request: HttpRequest, **names: Any) -> HttpResponse:
        if request.method == "POST" and request.META.get("HTTP_AUTHORIZATION", "").startswith("Token "):
            try:
                answer = quick(request, **names)
            except CrowdtuneError as error:
                body = {"error": {"code": error.code, "message": error.message, "fields": error.fields}}
                return JsonResponse(body, status=error.status)
            if answer is not None:
                return answer
        return view(request, **names)

    return choose


def claim(request: HttpRequest, slug: str) -> HttpResponse | None:
    """POST /projects/{slug}/assignments/ without a body."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > 2:
        return None
    caller = glance.caller(digest=_digest(request), slug=slug)
    if caller is None or caller.project is None or caller.member is None or not _is_good(caller):
        return None
    role, key, project = caller.member.role, caller.key, caller.project
    if not permissions.key_fits(key, project, "label") or not permissions.reaches(role, "label"):
        return None
    found = services.claim_leases(project=project, member=caller.member)
    if not found:
        return HttpResponse(status=204)
    origin = f"{request.scheme}://{request.get_host()}"
    return HttpResponse(_lease_json(origin, project, found[0]), status=201, content_type="application/json")


def submit(request: HttpRequest, assignment_id: uuid.UUID) -> HttpResponse | None:
    """POST /assignments/{id}/judgment/."""
    if request.content_type != "application/json":
        return None
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    if not isinstance(body, dict) or "answers" not in body:
        return None
    found = glance.answering(digest=_digest(request), assignment_id=assignment_id)
    if found is None or not _is_good(found[0]):
        return None
    caller, lease = found
    if not permissions.key_fits(caller.key, lease.project, "label"):
        return None
    judgment, created = services.submit_leased(lease=lease, answers=body["answers"], seconds=body.get("seconds"))
    stored = services.stored_json(judgment=judgment)
    stored["created_at"] = _moment(judgment.created_at)
    return JsonResponse(stored, status=201 if created else 200)


def _digest(request: HttpRequest) -> str:
    return keys.digest(request.META["HTTP_AUTHORIZATION"][6:].strip())


def _is_good(caller: Caller) -> bool:
    """Whether the key is good, and it is not yet time to write down that it was used."""
    now = timezone.now()
    if not caller.is_active or (caller.key.expires_at and caller.key.expires_at <= now):
        return False
    return caller.key.last_used_at is not None and now - caller.key.last_used_at <= keys.TOUCH_EVERY


def _lease_json(origin: str, project: Project, lease: Lease) -> str:
    told = {**head(origin, project, lease, []), "expires_at": _moment(lease.expires_at), "held": []}
    questions = survey.load(project.pk, lease.survey_version).public_json(lease.stage, lease.order_seed)
    return f'{json.dumps(told)[:-1]}, "questions": {questions}}}'


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
