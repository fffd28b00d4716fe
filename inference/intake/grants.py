"""Who was let through to a project's classifier a moment ago: the key, and the project that it may ask.

Only the view's own checks decide; what they decided holds here for at most ``SECONDS``, so a key that was revoked, or a
person who has lost the role, is refused after a second by every process (and at once by the process that revoked it).
When most of that time is over one request goes by the view again, so that under load all the others never wait for it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from django.utils import timezone

from labeling.accounts.keys import STOPPED, digest
from labeling.models import ApiKey, Project

SECONDS = 1.0
MOST = 10_000  # remembered at once


@dataclass
class Grant:
    """``key.user`` is loaded. ``until`` and ``renew`` are of the monotonic clock."""

    key: ApiKey
    project: Project
    until: float
    renew: float


class Grants:
    """The process's memory of them, by the key's digest and the project's slug."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._grants: dict[tuple[str, str], Grant] = {}
        self._lock = threading.Lock()

    def find(self, authorization: str, slug: str) -> Grant | None:
        """The grant of this header's key; None sends the request by the view."""
        name, _space, text = authorization.partition(" ")
        if name.lower() not in {"token", "bearer"}:
            return None
        grant = self._grants.get((digest(text), slug))
        now = time.monotonic()
        if grant is None or now >= grant.until:
            return None
        if now >= grant.renew:
            with self._lock:
                if now >= grant.renew:
                    grant.renew = grant.until
                    return None
        return grant

    def remember(self, key: object, project: Project) -> None:
        """The view has let this key through just now; sessions (no key) are not remembered."""
        if not isinstance(key, ApiKey):
            return
        seconds = self.seconds
        if key.expires_at is not None:
            seconds = min(seconds, (key.expires_at - timezone.now()).total_seconds())
        now = time.monotonic()
        with self._lock:
            if len(self._grants) >= MOST:
                self._grants.clear()
            self._grants[key.digest, project.slug] = Grant(key, project, now + seconds, now + 0.8 * seconds)

    def forget(self, key_id: int | None = None) -> None:
        """Of one key, or of all."""
        with self._lock:
            left = {} if key_id is None else {at: one for at, one in self._grants.items() if one.key.pk != key_id}
            self._grants = left


grants = Grants()
STOPPED.append(grants.forget)
