"""What django-allauth asks of the site around it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import get_next_redirect_url
from django.conf import settings
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _

from config.errors import MailError
from labeling.accounts import people, tries
from labeling.models import Project


class Adapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": _("Too many wrong passwords. Try again in a few minutes."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGN_UP == "open" or _is_invited(get_next_redirect_url(request) or "")

    def is_safe_url(self, url: str) -> bool:
        try:
            return bool(super().is_safe_url(url))
        except ValueError:  # no address at all, such as http://[
            return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Sign-ups and the like are counted by the address that the API's rates are counted by.

        allauth's own reading refuses to go on where NUM_PROXIES is larger than the number of addresses that came.
        """
        return tries.address_of(request)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        return super().clean_username(people.plain_name(username), shallow)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        if "username" in credentials:
            credentials["username"] = people.plain_name(credentials["username"])
        return super().authenticate(request, **credentials)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # of the connection, and whatever smtplib raises
            raise MailError(f"The mail server of EMAIL_URL: {error}") from error

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Tries are counted together with those of the API, by all web processes; allauth's own count is of each."""
        if tries.wait(request, _login(credentials)):
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        tries.count(request, _login(credentials))

    def post_login(self, request: HttpRequest, user: Any, **options: Any) -> Any:
        response = super().post_login(request, user, **options)
        tries.remember_address(request, user)
        tries.remember_browser(request, response, user)
        return response


def _is_invited(onward: str) -> bool:
    """Whether the sign-up leads on to a project by its invitation."""
    try:
        found = resolve(urlsplit(onward).path)
    except Resolver404:
        return False
    return found.url_name == "invitation" and Project.objects.filter(invite=found.kwargs["token"]).exists()


def _login(credentials: dict[str, Any]) -> str:
    """What was typed, in the plain spelling in which it is looked for as a name."""
    return str(credentials.get("username") or credentials.get("email") or "")
