"""API keys: made once, shown once, stored as a SHA-256.

A key is 256 random bits, so a plain digest is enough (no salt, no slow hash): there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from labeling.models import ApiKey, Project
from labeling.text.words import gettext as _

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SCOPE_NAMES = {
    "predict": gettext_lazy("Ask the classifier"),
    "label": gettext_lazy("Label"),
    "manage": gettext_lazy("Manage the project"),
}
SCOPES = tuple(SCOPE_NAMES)
TOUCH_EVERY = timedelta(minutes=5)
# What this process does, with the key's id, once a text has stopped working: other rooms remember whom they let in.
STOPPED: list[Callable[[int], None]] = []


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def create_key(
    *,
    user: User,
    name: str = "",
    scopes: tuple[str, ...] = SCOPES,
    lifetime: timedelta | None = None,
    expires_at: datetime | None = None,
    project: Project | None = None,
    ends_with_password: bool = False,
) -> tuple[ApiKey, str]:
    """Make a key, of one project when one is given; the second value is the only copy of its text.

    It is good for its ``lifetime`` or until ``expires_at``, whichever is given, else for ever; one that was got by the
    password no longer than that one holds.
    """
    key, now = secrets.token_hex(32), timezone.now()
    if lifetime:
        expires_at = now + lifetime
    elif expires_at:
        lifetime = expires_at - now
    row = ApiKey.objects.create(
        user=user,
        name=name[:100],
        prefix=key[:8],
        digest=digest(key),
        of_password=digest(user.password) if ends_with_password else "",
        scopes=list(scopes),
        expires_at=expires_at,
        lifetime=lifetime,
        project=project,
    )
    return row, key


def replace_key(*, row: ApiKey) -> tuple[ApiKey, str]:
    """Give the key another text; the old one stops at once. The second value is the only copy of the new one."""
    key = secrets.token_hex(32)
    row.prefix, row.digest, row.last_used_at = key[:8], digest(key), None
    row.save(update_fields=["prefix", "digest", "last_used_at"])
    tell_stopped(row.pk)
    return row, key


def tell_stopped(key_id: int) -> None:
    for tell in STOPPED:
        tell(key_id)


def kept(user: Any) -> QuerySet[ApiKey]:
    """The person's keys, without those that have ended with a password."""
    return ApiKey.objects.filter(user_id=user.pk, of_password__in=("", digest(user.password)))


def _has_ended(row: ApiKey, now: datetime) -> bool:
    if row.of_password and row.of_password != digest(row.user.password):
        return True
    return row.expires_at is not None and row.expires_at <= now


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Token <key>``; ``request.auth`` becomes the ApiKey row."""

    keyword = b"token"

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() not in {self.keyword, b"bearer"}:
            return None
        if len(parts) != 2:
            raise AuthenticationFailed(_("Expected `Authorization: Token <key>`."), "bad_token")
        row = ApiKey.objects.select_related("user").filter(digest=digest(parts[1].decode("latin-1"))).first()
        now = timezone.now()
        if row is None or not row.user.is_active or _has_ended(row, now):
            raise AuthenticationFailed(_("This key is unknown or has expired. Ask for a new one."), "bad_token")
        if row.last_used_at is None or now - row.last_used_at > TOUCH_EVERY:
            ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)
        row.user.api_key = row  # type: ignore[attr-defined]  # permissions look at the key's project and scopes
        return row.user, row

    def authenticate_header(self, request: Request) -> str:
        return "Token"
