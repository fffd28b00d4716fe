"""The short way of a question that was let through a moment ago, for programs with a key.

A picture costs some ten milliseconds; sessions, languages, cookies, negotiation and four queries a request would add
six. A request that carries a key which the view let through within the last second (``inference.intake.grants``), and
nothing that only the long way understands (cookies, an origin, a wish for another format), is answered here by the same
verbs; whatever is unusual goes on to the view, and so does everything that must be refused for its rights or its rate.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from rest_framework.exceptions import APIException
from rest_framework.settings import api_settings

from inference import services
from inference.api.predicting import PredictView
from inference.api.v2 import InferView, infer
from inference.intake import inputs, limits, multipart
from inference.intake.grants import Grant, grants
from inference.intake.tensors import BadTensor
from inference.serializers import answer_json
from labeling.api.plain import HEADERS, finished, is_plain
from labeling.errors import CrowdtuneError
from labeling.text import bodies

_PREDICT = re.compile(r"/api/v1/projects/([-a-zA-Z0-9_]+)/predict/")
_INFER = re.compile(r"/v2/models/([-a-zA-Z0-9_]+)(?:/versions/([0-9]{1,9}))?/infer")
MOST = 8 * 2**20  # bytes of a body that is taken here


class ShortWayMiddleware:
    """Answers what it can, and hands on the rest."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return _answered(request) or self.get_response(request)


def _answered(request: HttpRequest) -> HttpResponse | None:
    path = request.path_info
    predict = _PREDICT.fullmatch(path)
    match = predict or _INFER.fullmatch(path)
    if match is None or not is_plain(request, most=MOST) or not int(request.META.get("CONTENT_LENGTH") or 0):
        return None
    grant = grants.find(request.META.get("HTTP_AUTHORIZATION", ""), match[1])
    if grant is None:
        return None
    request.get_host()  # raises where the host is not ours, as the long way does
    started, language = time.perf_counter(), translation.get_language_from_request(request)
    with translation.override(language):  # refusals are read by people
        try:
            response = _predict(request, grant) if predict else _infer(request, grant, match[2])
        except (CrowdtuneError, APIException, BadTensor) as error:
            response = _refused(error, request, bare=not predict)
    view = "api-predict" if predict else "v2-infer-version" if match[2] else "v2-infer"
    return response and finished(request, response, view=view, language=language, started=started)


def _within_rate(request: HttpRequest, grant: Grant, view: PredictView | InferView) -> bool:
    """The view's own throttles count these requests too."""
    asking: Any = SimpleNamespace(user=grant.key.user, auth=grant.key, META=request.META)
    return all(throttle.allow_request(asking, view) for throttle in view.get_throttles())


def _predict(request: HttpRequest, grant: Grant) -> HttpResponse | None:
    read = _reader(request, grant)
    if read is None or not _within_rate(request, grant, PredictView()):
        return None
    given = read()
    answer = services.predict(project=grant.project, inputs=given, sticky=request.META.get("HTTP_X_STICKY_KEY", ""))
    body = json.dumps(answer_json(answer, given.top_k), ensure_ascii=False, separators=(",", ":"))
    return _json(body, {"X-Model-Version": str(answer.version.number), **given.limits})


def _reader(request: HttpRequest, grant: Grant) -> Callable[[], inputs.Inputs] | None:
    """What makes pictures of the body; None where it takes the view's parsers to read it."""
    kind, spend = request.META.get("CONTENT_TYPE", ""), partial(limits.spend, grant.key)
    if kind != "application/json":
        form = multipart.split(request.body, kind)
        return None if form is None else lambda: inputs.from_bytes(*form, spend)
    try:
        body = bodies.loads(request.body)
    except ValueError:
        return None
    return lambda: inputs.from_json(grant.project, body, spend)


def _infer(request: HttpRequest, grant: Grant, version: str | None) -> HttpResponse | None:
    if not _within_rate(request, grant, InferView()):
        return None
    length = request.META.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
    response = infer(
        key=grant.key, project=grant.project, version=version, body=request.body, header_length=length,
        sticky=request.META.get("HTTP_X_STICKY_KEY", ""),
    )  # fmt: skip
    for name, value in HEADERS.items():
        response[name] = value
    return response


def _refused(error: Exception, request: HttpRequest, *, bare: bool) -> HttpResponse:
    """In the shape that the view would have given it."""
    if isinstance(error, BadTensor):
        error = CrowdtuneError("bad_tensor", str(error))
    handle: Any = api_settings.EXCEPTION_HANDLER
    refusal = handle(error, {"view": None, "args": (), "kwargs": {}, "request": request})
    data = {"error": refusal.data["error"]["message"]} if bare else refusal.data
    more = {name: value for name, value in refusal.items() if name.lower() != "content-type"}
    return _json(json.dumps(data, ensure_ascii=False), more, refusal.status_code)


def _json(body: str, headers: dict[str, str], status: int = 200) -> HttpResponse:
    return HttpResponse(body.encode(), status=status, content_type="application/json", headers=HEADERS | headers)
