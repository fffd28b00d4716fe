"""What is asked for after the session has ended, where the way to the sign-in page would lose something.

A part of a page is told so: the browser would follow, and htmx and uploads take the sign-in page for the part: the
survey builder vanished with all that stood in it, and a folder was sent to the end for nothing. A form comes back on a
page that sends it again: behind the sign-in page, what was written for an hour was gone.

So is a labeling page whose person has given the browser to somebody else: its answers are the first one's, and wait.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _

from config import errors

PERSON = "X-Person"  # whose page a script's request comes from
PASSWORDS = ("/accounts/", "/admin/")  # their forms hold some, which stand on no page


class SignedOutMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        whose = request.headers.get(PERSON)
        if whose is not None and request.user.is_authenticated and whose != str(request.user.pk):
            return errors.plain(request, 401, _("Somebody else has signed in on this device. Reload this page."))
        response = self.get_response(request)
        if not _leads_to_sign_in(response) or request.user.is_authenticated:
            return response
        if "HX-Request" in request.headers:
            return errors.plain(request, 401, _("You are signed out."))
        if (said := written(request)) and "text/html" in request.headers.get("Accept", ""):
            return render(request, "signed_out.html", {"written": said}, status=401)
        return response


def _leads_to_sign_in(response: HttpResponse) -> bool:
    # A 304 leads nowhere.
    return response.has_header("Location") and urlsplit(response["Location"]).path == resolve_url(settings.LOGIN_URL)


def written(request: HttpRequest) -> list[tuple[str, str]]:
    """What the form said, name by name; nothing where files came with it, which a page cannot send again."""
    if request.method != "POST" or request.FILES or request.path.startswith((*PASSWORDS, "/i18n/")):
        return []
    said = [(name, str(text)) for name, texts in request.POST.lists() for text in texts]
    kept = [(name, text) for name, text in said if name != "csrfmiddlewaretoken"]
    return kept if any(text for _name, text in kept) else []
