"""Keys of programs: bounded in what they may ask about, and replaced with a day of grace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from inference.models import KeyLimit
from labeling import audit
from labeling.accounts import keys, permissions
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey
from labeling.services import make_key
from labeling.text.words import gettext as _

GRACE = timedelta(hours=24)


def make_limited_key(*, per_minute: int | None = None, per_day: int | None = None, **values: Any) -> tuple[ApiKey, str]:
    """A key as ``labeling.services.make_key`` makes it from ``values``, bounded in the images that it may ask about."""
    with transaction.atomic():
        row, text = make_key(**values)
        limit_key(key=row, per_minute=per_minute, per_day=per_day)
    return row, text


def limit_key(*, key: ApiKey, per_minute: int | None, per_day: int | None) -> None:
    """Bound the images that the key may ask about; None is no bound."""
    if per_minute is None and per_day is None:
        KeyLimit.objects.filter(key=key).delete()
    else:
        KeyLimit.objects.update_or_create(key=key, defaults={"per_minute": per_minute, "per_day": per_day})


def may_rotate(*, key: ApiKey, user: Any) -> bool:
    """Whether the person may have a copy of the key, which acts in the name of who has made it: of one's own, and of
    those below. A manager with another manager's would act as that one, and as the owner once that one owns it."""
    return key.project is None or key.user_id == user.pk or permissions.outranks(user, key.user, key.project)


def rotate_key(*, key: ApiKey, user: Any) -> tuple[ApiKey, str]:
    """A new key with the same rights and limits; the old one works for GRACE more, so that programs can follow;
    what both ask about counts together.

    Raises:
        CrowdtuneError: permission_denied, the key acts for another person whose role here is not below that of who
            asks; or not_found, it was revoked in this moment.
    """
    if not may_rotate(key=key, user=user):
        why = _("This key acts for somebody whose role is not below yours; only that person can replace it.")
        raise CrowdtuneError("permission_denied", why, 403)
    with transaction.atomic():
        if not list(ApiKey.objects.select_for_update().filter(pk=key.pk).values_list("pk")):
            raise CrowdtuneError("not_found", _("This key is gone: it was revoked, or its time was over."), 404)
        new, text = keys.create_key(
            user=key.user, name=key.name, scopes=tuple(key.scopes), project=key.project, lifetime=key.lifetime,
        )  # fmt: skip
        _count_together(key, new)
        end = timezone.now() + GRACE
        ApiKey.objects.filter(pk=key.pk).update(expires_at=min(key.expires_at, end) if key.expires_at else end)
        if key.project is not None:
            changes = {"name": key.name, "prefix": [key.prefix, new.prefix]}
            audit.write(project=key.project, user=user, action="key_rotated", changes=changes)
    return new, text


def _count_together(key: ApiKey, new: ApiKey) -> None:
    """The count goes on at the new key: the old ones are revoked once programs have followed, and it would end so."""
    limit = KeyLimit.objects.filter(key=key).first()
    if limit is not None:
        before = limit.counts_at_id or limit.pk
        count = KeyLimit.objects.select_for_update().get(pk=before)
        count.pk, count.key = None, new
        count.save()
        KeyLimit.objects.filter(Q(pk=before) | Q(counts_at=before)).update(counts_at=count)
