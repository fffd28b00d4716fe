"""A part of a page that is asked for after the session has ended is told so, instead of being led to the sign-in page.

The browser would follow, and htmx and uploads take that page for the part: the survey builder vanished with all that
stood in it, and a folder was sent to the end for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _

from config import errors


class SignedOutMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "HX-Request" in request.headers and 300 <= response.status_code < 400:
            path = urlsplit(response["Location"]).path
            if path == resolve_url(settings.LOGIN_URL):
                return errors.plain(request, 401, _("You are signed out."))
        return response
