"""Addresses without their last slash lead to those with it, and what was sent goes along.

Django's own answer, 301, makes a GET of a POST: a program that forgot the slash was told that GET is not allowed.
"""

from __future__ import annotations

from django.http import HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware


class MovedWithItsBody(HttpResponsePermanentRedirect):
    status_code = HttpResponsePermanentRedirect.status_code_preserve_request


class SlashMiddleware(CommonMiddleware):
    response_redirect_class = MovedWithItsBody
