"""A name for each request, carried into its log lines and its answer's ``X-Request-ID``; and the form of a log line.

Requests that fail or are slow are logged; all of them where ``LOG_REQUESTS`` is on, as behind no other log of accesses.
"""

from __future__ import annotations

import contextvars
import logging
import re
import secrets
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path

from labeling.resilience import outages
from labeling.resilience.turns import Crowded

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
# What in an address opens a door by itself: of a picture or an export, of a project, of an account.
_SECRET = re.compile(r"^(/(?:media|join|api/v1/invitations|accounts/confirm-email|accounts/password/reset/key)/)[^/]+")
SLOW_SECONDS = 1.0
logger = logging.getLogger("crowdtune.request")


class RequestIdMiddleware:
    """Takes the caller's X-Request-ID when it is a plain name, else makes one, and logs one line a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        name = given if _ACCEPTABLE.fullmatch(given) else secrets.token_hex(8)
        token = request_id.set(name)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = name
            self._log(request, response, time.perf_counter() - started)
            return response
        finally:
            request_id.reset(token)

    def _log(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        quiet = request.path.startswith(("/healthz", "/readyz", "/metrics", "/static/"))
        noted = settings.LOG_REQUESTS or response.status_code >= 400 or seconds > SLOW_SECONDS
        level = logging.INFO if noted and not quiet else logging.DEBUG
        level = logging.WARNING if response.status_code >= 500 else level
        if logger.isEnabledFor(level):
            logger.log(level, "%s %s %s %.0fms", request.method, _shown(request), response.status_code, seconds * 1000)


def _shown(request: HttpRequest) -> str:
    """The address as a log may hold it: on one line, and of no use to who reads it there."""
    return _SECRET.sub(r"\1…", escape_uri_path(request.path))


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class HiddenFilter(logging.Filter):
    """What Django's own lines say of an address is of no use either to who reads it there."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_SECRET.sub(r"\1…", one) if isinstance(one, str) else one for one in record.args)
        return True


class BrokenFilter(logging.Filter):
    """Of what Django logs of a request the traceback of what broke; that it was refused says our own line.

    An outage is a line: every request meets it, and a page for each would fill what is left of a disk.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if "is_outage" in vars(record):  # where logging is set up again, the filter is there twice
            return True
        if record.exc_info is None or isinstance(record.exc_info[1], Crowded):
            return False
        if outages.is_outage(record.exc_info[1]):
            record.msg, record.args = "%s: %s", (record.getMessage(), " ".join(str(record.exc_info[1]).split()))
            record.exc_info = None
            vars(record)["is_outage"] = True
        return getattr(record, "status_code", 500) >= 500


class TheirsFilter(logging.Filter):
    """What Django refuses for the request's own sake, a strange host or too large a body, is a line: nothing broke."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class KeyValueFormatter(logging.Formatter):
    """``time=… level=… logger=… request=… message``: read by people, split by machines."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "time=%(asctime)s.%(msecs)03dZ level=%(levelname)s logger=%(name)s request=%(request_id)s %(message)s",
            datefmt="%Y-%m-%dT%H:%M:%S",
            defaults={"request_id": "-"},
        )
