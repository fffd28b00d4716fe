"""Addresses without their last slash lead to those with it, and what was sent goes along. Those that have none (of the
protocol of /v2, and of operations) are found with one too.

Django's own answer, 301, makes a GET of a POST: a program that forgot the slash was told that GET is not allowed.
"""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.urls import is_valid_path


class MovedWithItsBody(HttpResponsePermanentRedirect):
    status_code = HttpResponsePermanentRedirect.status_code_preserve_request


class SlashMiddleware(CommonMiddleware):
    response_redirect_class = MovedWithItsBody

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        bare = request.path.removesuffix("/")
        missed = response.status_code == 404 and bare != request.path
        # What a view did not find has an address: the administration leads from every one without a slash back to it.
        if missed and is_valid_path(bare) and not is_valid_path(request.path):
            asked = request.META.get("QUERY_STRING", "")
            return MovedWithItsBody(quote(bare) + (f"?{asked}" if asked else ""))
        return super().process_response(request, response)
