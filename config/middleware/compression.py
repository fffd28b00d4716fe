"""Pages are compressed for browsers, which a phone on a slow line notices.

Only pages: images are compressed already, exports are long and may be asked for by ``Range``, the API's answers are
short. Their lengths betray no secret: another site cannot have a browser ask for a person's pages again and again (the
session's cookie is SameSite=Lax), Django masks the CSRF token, and it pads what it compresses.
Source: https://docs.djangoproject.com/en/5.2/ref/middleware/#module-django.middleware.gzip (BREACH)
"""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class CompressedPagesMiddleware(GZipMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = response.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response
