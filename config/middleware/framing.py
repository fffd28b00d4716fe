"""Bodies that cannot be read are refused for what they are, instead of being taken for empty or damaged ones.

So is a method that nothing here takes: /metrics keeps figures by method, and strangers could make up any number.

WSGI knows of a body by its length alone, so that one in chunks looks like none. A packed body is taken by /v2 only,
whose clients send such.

Source: PEP 3333; RFC 9110, 9.1, 15.5.12 and 15.5.16.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from config import errors, handlers

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class FramingMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        if request.method not in METHODS:
            response = errors.plain(request, 405, _('Method "{method}" not allowed.').format(method=request.method))
            response["Allow"] = ", ".join(METHODS)
            return response
        if meta.get("HTTP_TRANSFER_ENCODING") and not meta.get("CONTENT_LENGTH"):
            told = _("The body came in chunks, without its length. Send it as a whole, with a Content-Length.")
            return errors.plain(request, 411, told)
        packing = meta.get("HTTP_CONTENT_ENCODING", "identity").lower()
        if packing != "identity" and not request.path.startswith("/v2"):
            told = _("The body is packed (Content-Encoding: %(packing)s). Send it as it is.")
            return errors.plain(request, 415, told % {"packing": packing})
        response = self.get_response(request)
        if response.status_code == 405 and not response.content and not errors.is_api(request):
            return handlers.only_sent(request, response)  # Django's own has no words
        return response
