"""What a browser may load and do on our pages.

Our own pages carry no inline script and no address of another host. The staff admin is another project's work, whose
components evaluate expressions in attributes, so it alone gets a wider rule.
Source: https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

_COMMON = (
    "default-src 'self'; img-src 'self' data: blob:{images}; connect-src 'self'; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; style-src 'self' 'unsafe-inline'; "
)
_PAGES = _COMMON + "script-src 'self'"
_ADMIN = _COMMON + "script-src 'self' 'unsafe-inline' 'unsafe-eval'"


class FormTextMiddleware:
    """Refuses a page's form with a NUL in it, as addresses and the API's bodies with one are. Behind the check of CSRF,
    which has read the form; what it leaves alone, the API's, has parsers of its own (``labeling.api.parsers``).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponse], *_arguments: object) -> None:
        if request.method == "POST" and not getattr(view, "csrf_exempt", False):
            for name, values in request.POST.lists():
                if any("\x00" in str(text) for text in (name, *values)):
                    raise BadRequest(_("A NUL in a form: no text of ours has one, and the database takes none."))


class SecurityHeadersMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        # Images in an object store are shown by presigned address on the store's host.
        local = settings.STORAGES["default"]["BACKEND"].endswith("FileSystemStorage")
        images = "" if local else " https: http:"
        self.pages, self.admin = _PAGES.format(images=images), _ADMIN.format(images=images)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._refused(request) or self.get_response(request)
        policy = self.admin if request.path.startswith("/admin/") else self.pages
        if hosts := getattr(response, "picture_hosts", ()):  # of a page's examples (labeling.views.asking)
            policy = policy.replace("img-src 'self'", " ".join(["img-src 'self'", *hosts]))
        # The site's own files say that they are for all. A proxy that keeps pages must not keep one of a person's.
        response.setdefault("Cache-Control", "private")
        response.setdefault("Content-Security-Policy", policy)
        response.setdefault("Permissions-Policy", "camera=(self), geolocation=(), microphone=(), payment=()")
        return response

    def _refused(self, request: HttpRequest) -> HttpResponse | None:
        if "%00" not in request.META.get("QUERY_STRING", "") and "\x00" not in request.path_info:
            return None
        error = BadRequest(_("A NUL in the address: no text of ours has one, and the database takes none."))
        return response_for_exception(request, error)  # not raised: it would pass by the headers of every page
