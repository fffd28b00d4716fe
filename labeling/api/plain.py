"""Which requests may be answered by a short way, before sessions, cookies, languages and addresses are looked at.

Only a program's plain POST: nothing in it that just the long way understands. Everything else goes on to the views.
What is answered so is counted as the view's own answers are.
"""

from __future__ import annotations

import functools
import time
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_prometheus.middleware import Metrics

# Headers that only the long way understands.
LONG = ("HTTP_COOKIE", "HTTP_ORIGIN", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING", "HTTP_X_HTTP_METHOD_OVERRIDE")
ACCEPTED = {"*/*", "application/json", "application/json, */*", "application/json, text/plain, */*"}
# What the long way's middleware would have added to an answer.
HEADERS = {"Vary": "Accept-Language, origin"}


def is_plain(request: HttpRequest, *, most: int) -> bool:
    """Whether the request is such a POST, of a body of at most so many bytes. Its host is for the caller to check."""
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or "0"
    return (
        request.method == "POST"
        and not any(map(meta.get, LONG))
        and not meta.get("QUERY_STRING")
        and meta.get("HTTP_ACCEPT", "*/*") in ACCEPTED
        and length.isdecimal()
        and int(length) <= most
    )


def finished(request: HttpRequest, response: HttpResponse, *, view: str, language: str, started: float) -> HttpResponse:
    """The answer of a short way, counted under the view that it stands for and marked with its language.

    Args:
        started: Of ``time.perf_counter``.
    """
    counters, latency = _counters(view, request.scheme or "http", str(response.status_code))
    for counter in counters:
        counter.inc()
    latency.observe(time.perf_counter() - started)
    response["Content-Language"] = language
    if response.status_code != HTTPStatus.NO_CONTENT:
        response["Content-Length"] = str(len(response.content))  # without it the server sends the body in chunks
    return response


@functools.lru_cache(maxsize=256)
def _counters(view: str, transport: str, status: str) -> tuple[list[Any], Any]:
    """Those that ``django_prometheus`` counts a request's view by; finding them costs more than counting."""
    metrics: Any = Metrics.get_instance()
    counters = [
        metrics.requests_by_method.labels("POST"),
        metrics.requests_by_transport.labels(transport),
        metrics.requests_by_view_transport_method.labels(view, transport, "POST"),
        metrics.responses_by_status.labels(status),
        metrics.responses_by_status_view_method.labels(status, view, "POST"),
    ]
    return counters, metrics.requests_latency_by_view_method.labels(view, "POST")
