"""Wrong passwords counted by address, and by account, so that a guess from many addresses is slowed, too.

A plain count by account would let any stranger shut its person out. So whoever has signed in to the account before,
with this browser or of late from this address, stays outside the count; everybody else waits for the next window at
most.

Source: OWASP, Authentication Cheat Sheet and Slow Down Online Guessing Attacks with Device Cookies. 96 tries an hour
keep to the 100 of its Application Security Verification Standard (2.2.1).
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import re
import time
from typing import Any

from allauth.account.utils import filter_users_by_email, filter_users_by_username
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.utils.connection import ConnectionProxy
from rest_framework.throttling import BaseThrottle

cache: Any = ConnectionProxy(caches, "shared")  # of all web processes
MOST = 8  # wrong tries at one account in a window, of all strangers to it together
WINDOW = 300  # seconds
MOST_FROM = 20  # wrong tries from one address, at whatever accounts, in so many seconds before now
FROM_WINDOW = 60
COOKIE = "signed_in_before"
SALT = "labeling.accounts.tries"
PEOPLE = 5  # whom one browser may be of
BROWSER_LASTS = 365 * 86_400
ADDRESS_LASTS = 30 * 86_400
_WITH_PORT = re.compile(r"^(?:([0-9.]+):[0-9]+|\[([0-9a-fA-F:.]+)\](?::[0-9]+)?)$")


def wait(request: HttpRequest, login: str) -> int:
    """Seconds until what was typed, a name or an email, takes another try of this visitor; 0 for now."""
    if len(times := _lately_from(request)) >= MOST_FROM:
        return max(math.ceil(times[MOST_FROM - 1] + FROM_WINDOW - time.time()), 1)
    if not any(cache.get(f"{counter}:{MOST - 1}") for counter in _counters(request, login)):
        return 0
    return WINDOW - int(time.time()) % WINDOW


def count(request: HttpRequest, login: str) -> None:
    """One more try was wrong."""
    now = time.time()
    # Each takes the next place: of two at a time, none counts in the other's stead.
    any(cache.add(place, now, 2 * FROM_WINDOW) for place in _places_from(request, int(now) // FROM_WINDOW))
    for counter in _counters(request, login):
        any(cache.add(f"{counter}:{place}", True, 2 * WINDOW) for place in range(MOST))


def remember_address(request: HttpRequest, user: User) -> None:
    """The person has signed in from here."""
    cache.set(_visitor(request, user.pk), True, ADDRESS_LASTS)


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """The person has signed in with this browser."""
    others = [pk for pk in _people(request) if pk != user.pk]
    response.set_cookie(
        COOKIE,
        signing.dumps([user.pk, *others][:PEOPLE], salt=SALT),
        max_age=BROWSER_LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _counters(request: HttpRequest, login: str) -> list[str]:
    """Where a try counts: at every account that this may be the name or the email of, but those of the visitor.

    Nobody proves an email, and a name may look like one: whoever takes another's as a name, or a name as an email, is
    known at an account of that text, and no less a stranger to the other. What is no account's counts as it was typed.
    """
    login = login.strip()
    accounts = {user.pk for user in (*filter_users_by_username(login), *filter_users_by_email(login))}
    window = int(time.time()) // WINDOW
    if not accounts:
        return [f"wrong:{_digest(login)}:{window}"]
    own = _people(request)
    return [f"wrong:{pk}:{window}" for pk in accounts if pk not in own and not cache.get(_visitor(request, pk))]


def _places_from(request: HttpRequest, window: int) -> list[str]:
    """Where tries from this address count in a window."""
    return [f"wrong-from:{_digest(address_of(request))}:{window}:{place}" for place in range(MOST_FROM)]


def _lately_from(request: HttpRequest) -> list[float]:
    """When tries from this address were wrong of late, the last one first."""
    now = time.time()
    window = int(now) // FROM_WINDOW
    places = _places_from(request, window - 1) + _places_from(request, window)
    return sorted((moment for moment in cache.get_many(places).values() if moment > now - FROM_WINDOW), reverse=True)


def _people(request: HttpRequest) -> list[int]:
    """The ids of those who have signed in with this browser."""
    try:
        return list(signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=BROWSER_LASTS))
    except signing.BadSignature:
        return []


def _visitor(request: HttpRequest, pk: int) -> str:
    return f"signed-in:{pk}:{address_of(request)}"


def address_of(request: HttpRequest) -> str:
    """By which visitors are counted; one for all where the server tells none, as behind a socket of Unix.

    Without the port that some proxies add, which differs by connection. Of IPv6 the first half: the other is the
    visitor's own to choose, who would be a new one at each try.
    Source: RFC 4291, 2.5.4; RFC 8981.
    """
    told = _WITH_PORT.sub(r"\1\2", str(BaseThrottle().get_ident(request)))  # type: ignore[arg-type]
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return told
    if isinstance(address, ipaddress.IPv4Address):
        return told
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))


def _digest(login: str) -> str:
    """What a person typed may be longer than a key of a cache, and stands in no cache as it is."""
    return hashlib.sha256(login.lower().encode(errors="replace")).hexdigest()
