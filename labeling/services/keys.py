"""Keys that open one project: made for its programs, and taken back. Both are logged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling import audit
from labeling.accounts import keys
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey, Project
from labeling.text.words import gettext as _


def make_key(
    *,
    project: Project,
    user: Any,
    name: str,
    scopes: Sequence[str] = ("predict",),
    days: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A key of this person that opens this project alone; the second value is the only copy of its text.

    Args:
        days: How long it is good, and a key that replaces it; for ever where neither this nor ``expires_at`` is given.
        expires_at: The same as a moment; a key that replaces it is good for as long again.

    Raises:
        CrowdtuneError: invalid, an unknown scope or none.
    """
    unknown = sorted(set(scopes) - set(keys.SCOPES))
    if unknown or not scopes:
        message = _("Choose from %(scopes)s; got %(value)s.") % {
            "scopes": ", ".join(keys.SCOPES),
            "value": ", ".join(unknown) or "nothing",
        }
        raise CrowdtuneError("invalid", message, field="scopes")
    end = expires_at or (timezone.now() + timedelta(days=days) if days else None)
    with transaction.atomic():
        row, text = keys.create_key(user=user, name=name, scopes=tuple(scopes), expires_at=end, project=project)
        changes = {"name": row.name, "prefix": row.prefix, "scopes": ", ".join(scopes)}
        audit.write(project=project, user=user, action="key_created", changes=changes)
    return row, text


def revoke_key(*, key: ApiKey, user: Any) -> None:
    """The key, of one project or of all, stops working: at once in this process, within a second in the others."""
    key_id = key.pk
    with transaction.atomic():
        if key.project is not None:
            changes = {"name": key.name, "prefix": key.prefix}
            audit.write(project=key.project, user=user, action="key_revoked", changes=changes)
        key.delete()
    keys.tell_stopped(key_id)
