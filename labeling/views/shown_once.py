"""A new key's text, shown on the page after the form that made it: to load that again makes no second key.

It waits in a cookie of the browser that is shown it anyway, signed for the person, and nowhere on our side.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

COOKIE = "new_key"
LASTS = 60  # seconds


def go_on(request: HttpRequest, text: str, to: str, *names: str) -> HttpResponse:
    """The way to the page that shows the key."""
    response = redirect(to, *names)
    value = signing.dumps([request.user.pk, text], salt=COOKIE)
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(
        COOKIE, value, LASTS, path=response["Location"], secure=secure, httponly=True, samesite="Strict"
    )
    return response


def take(request: HttpRequest) -> str:
    """The key that this page shows, or nothing."""
    try:
        owner, text = signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=LASTS)
    except signing.BadSignature:
        return ""
    return str(text) if owner == request.user.pk else ""


def page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A page that may show a key: it is kept by no cache, and the next load of it has none to show."""
    response = render(request, template, context)
    if COOKIE in request.COOKIES:
        response["Cache-Control"] = "no-store"
        response.delete_cookie(COOKIE, path=request.path, samesite="Strict")
    return response
