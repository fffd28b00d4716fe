"""What is answered when no view could: in the API's shape to programs, by a page to people."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views import defaults

from config import errors


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if errors.is_api(request):
        return errors.plain(request, 400, _("The request cannot be read: check its address, headers and body."))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if errors.is_api(request):
        return errors.plain(request, 403, str(exception) or _("Your role does not allow this."))
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if errors.is_api(request):
        return errors.plain(request, 404, _("There is no such address in the API; /api/docs/ lists them all."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if errors.is_api(request):
        return errors.plain(request, 500, errors.internal_message())
    return defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "", **_context: Any) -> HttpResponse:
    if errors.is_api(request):
        return errors.plain(
            request, 403, _("The CSRF token is missing or wrong. Programs send `Authorization: Token …`.")
        )
    return defaults.permission_denied(request, Exception(reason))
