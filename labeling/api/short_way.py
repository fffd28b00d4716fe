"""The two calls that a crowd makes all day, by the short way: claim and answer with a key.

Two to five prepared statements, where middleware, Django REST framework and the ORM cost ten times that. It takes only
the ordinary case. Whatever is not (a session, a stranger, an unknown key, a body to complain about) goes on to the
documented view, so there is one place that refuses, and both ways call the same verbs.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from labeling import services
from labeling.accounts import keys, permissions
from labeling.api.assignments import head
from labeling.api.plain import HEADERS, finished, is_plain
from labeling.collecting import lookups
from labeling.collecting.leases import Lease
from labeling.collecting.lookups import Caller
from labeling.errors import CrowdtuneError
from labeling.models import Project
from labeling.resilience.turns import Turns, cores
from labeling.surveys import survey
from labeling.surveys.asked_in import of_answer, worded
from labeling.text import bodies

_CLAIM = re.compile(r"/api/v1/projects/([-a-zA-Z0-9_]+)/assignments/")
_SUBMIT = re.compile(r"/api/v1/assignments/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/judgment/")
MOST = 2**20  # bytes of an answer that is taken here
TURNS = Turns(3 * cores())  # two of three wait for the database
PATIENCE = 0.1  # seconds after which a request goes ahead without its turn


class ShortWayMiddleware:
    """Answers claims and answers that it can, and hands on the rest."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return _answered(request) or self.get_response(request)


def _answered(request: HttpRequest) -> HttpResponse | None:
    path = request.path_info
    claimed = _CLAIM.fullmatch(path)
    match = claimed or _SUBMIT.fullmatch(path)
    if match is None or not request.META.get("HTTP_AUTHORIZATION", "").startswith("Token "):
        return None
    if not is_plain(request, most=2 if claimed else MOST):
        return None
    host = request.get_host()  # raises where the host is not ours, as the long way does
    started, language = time.perf_counter(), translation.get_language_from_request(request)
    translation.activate(language)  # refusals are read by people; the next request has its own, as on the long way
    try:
        with TURNS.soon(PATIENCE):
            response = claim(request, host, match[1]) if claimed else submit(request, uuid.UUID(match[1]))
    except CrowdtuneError as error:
        response = _json(json.dumps(error.as_json()), error.status)
    view = "api-claim" if claimed else "api-submit"
    return response and finished(request, response, view=view, language=language, started=started)


def _json(body: str, status: int) -> HttpResponse:
    return HttpResponse(body.encode(), status=status, content_type="application/json", headers=HEADERS)


def claim(request: HttpRequest, host: str, slug: str) -> HttpResponse | None:
    """POST /projects/{slug}/assignments/ without a body."""
    caller = lookups.caller(digest=_digest(request), slug=slug)
    if caller is None or caller.project is None or caller.member is None or not _is_good(caller):
        return None
    role, key, project = caller.member.role, caller.key, caller.project
    if not permissions.key_fits(key, project, "label") or not permissions.reaches(role, "label"):
        return None
    found = services.claim_leases(project=project, member=caller.member)
    if not found:
        return HttpResponse(status=204, headers=HEADERS)
    return _json(_lease_json(request, f"{request.scheme}://{host}", project, found[0]), 201)


def submit(request: HttpRequest, assignment_id: uuid.UUID) -> HttpResponse | None:
    """POST /assignments/{id}/judgment/."""
    if request.content_type != "application/json":
        return None
    try:
        body = bodies.loads(request.body)
    except ValueError:
        return None  # the view says what is wrong with it
    if not isinstance(body, dict) or "answers" not in body:
        return None
    found = lookups.answering(digest=_digest(request), assignment_id=assignment_id)
    if found is None or not _is_good(found[0]):
        return None
    caller, lease = found
    if not permissions.key_fits(caller.key, lease.project, "label"):
        return None
    judgment, created = services.submit_leased(
        lease=lease,
        answers=body["answers"],
        seconds=body.get("seconds"),
        language=of_answer(request, body),
    )
    stored = services.stored_json(judgment=judgment)
    stored["created_at"] = _moment(judgment.created_at)
    return _json(json.dumps(stored), 201 if created else 200)


def _digest(request: HttpRequest) -> str:
    return keys.digest(request.META["HTTP_AUTHORIZATION"][6:].strip())


def _is_good(caller: Caller) -> bool:
    """Whether the key is good, and it is not yet time to write down that it was used."""
    now = timezone.now()
    if not caller.is_active or (caller.key.expires_at and caller.key.expires_at <= now):
        return False
    return caller.key.last_used_at is not None and now - caller.key.last_used_at <= keys.TOUCH_EVERY


def _lease_json(request: HttpRequest, origin: str, project: Project, lease: Lease) -> str:
    told = {**head(origin, project, lease, []), "expires_at": _moment(lease.expires_at), "held": []}
    asked = worded(request, survey.load(project.pk, lease.survey_version))
    if asked.language:
        told["language"] = asked.language
    questions = asked.public_json(lease.stage, lease.order_seed)
    return f'{json.dumps(told)[:-1]}, "questions": {questions}}}'


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
