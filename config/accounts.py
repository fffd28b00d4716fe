"""What django-allauth asks of the site around it."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle


class Adapter(DefaultAccountAdapter):
    def get_client_ip(self, request: HttpRequest) -> str:
        """Tries to sign in are counted by the address that the API's rates are counted by.

        allauth's own reading refuses to go on where NUM_PROXIES is larger than the number of addresses that came.
        """
        return str(BaseThrottle().get_ident(request))  # type: ignore[arg-type]
