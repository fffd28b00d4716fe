"""What is answered when no view could: in the API's shape to programs, by a page to people."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.views import defaults

from config import errors
from config.middleware import signed_out
from config.middleware.request_log import request_id


def in_readers_language(handler: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What was refused before the language was chosen (a strange host, say) would be told in the last reader's."""

    @wraps(handler)
    def told(request: HttpRequest, *args: Any, **rest: Any) -> HttpResponse:
        chosen = getattr(request, "LANGUAGE_CODE", None) or translation.get_language_from_request(request)
        with translation.override(chosen):
            return handler(request, *args, **rest)

    return told


@in_readers_language
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if errors.is_api(request):
        told = _("The request cannot be read: check its address, headers and body.")
        return errors.plain(request, *(errors.too_much(exception) or (400, told)))
    return _plain_page(request, "400.html", {"status": 400})


@in_readers_language
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if errors.is_api(request):
        return errors.plain(request, 403, str(exception) or _("Your role does not allow this."))
    return defaults.permission_denied(request, exception)


@in_readers_language
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if errors.is_api(request):
        told = _("There is no such address in the API; /api/docs/ lists them all.")
        if request.path.startswith("/v2"):
            told = _(
                "There is no such address of the protocol here. There are /v2, /v2/health/live, /v2/health/ready and "
                "/v2/models/{project}, also with /versions/{number}, and behind these /ready and /infer."
            )
        return errors.plain(request, 404, told)
    return defaults.page_not_found(request, exception)


@in_readers_language
def only_sent(request: HttpRequest, refused: HttpResponse) -> HttpResponse:
    """Who opens or reloads an address that takes only what a form sends."""
    response = render(request, "405.html", status=refused.status_code)
    response["Allow"] = refused["Allow"]
    return response


@in_readers_language
def server_error(request: HttpRequest) -> HttpResponse:
    """What broke is in the log already. What is no bug but an outage is said as one: whoever asked may ask again."""
    status, message = errors.outage(sys.exc_info()[1]) or (500, errors.internal_message())
    if errors.is_api(request):
        response = errors.plain(request, status, message)
    else:
        again = request.get_full_path() if request.method == "GET" else ""  # a form is sent again from its own page
        told = {"status": status, "message": message, "number": request_id.get(), "again": again}
        response = _plain_page(request, "500.html" if status == 500 else "outage.html", told)
    if status == 503:
        response["Retry-After"] = "5"
    return response


def _plain_page(request: HttpRequest, name: str, told: dict[str, Any]) -> HttpResponse:
    """A page without the request's context: what broke may be what a context processor asks."""
    return HttpResponse(render_to_string(name, {"theme": request.COOKIES.get("theme"), **told}), status=told["status"])


@in_readers_language
def csrf_failure(request: HttpRequest, reason: str = "", **_context: Any) -> HttpResponse:
    if errors.is_api(request):
        return errors.plain(
            request, 403, _("The CSRF token is missing or wrong. Programs send `Authorization: Token …`.")
        )
    # Django has seen that the Origin is ours before it looks at the token: it is our page's form, of before a sign-in.
    ours = "Origin" in request.headers and reason.startswith("CSRF ")
    written = signed_out.written(request) if ours else []
    return render(request, "403_csrf.html", {"written": written}, status=403)
