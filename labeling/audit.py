"""The log of changes: who changed what in a project, from what to what. Worker-side."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

from django.db import models

from labeling.models import AuditEntry, Project


def write(*, project: Project, user: Any, action: str, changes: Mapping[str, Any] | None = None) -> None:
    """Add an entry; ``changes`` maps a field to ``[before, after]``, or to one value where there is no before."""
    user_id = getattr(user, "pk", None)
    values = {name: _plain(value) for name, value in (changes or {}).items()}
    AuditEntry.objects.create(project=project, user_id=user_id, action=action, changes=values)


def differences(row: models.Model, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields of ``values`` that differ from the row: ``{field: [before, after]}``."""
    return {name: [getattr(row, name), value] for name, value in values.items() if getattr(row, name) != value}


def _plain(value: Any) -> Any:
    """JSON has no decimals and no moments."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, decimal.Decimal | datetime.datetime | datetime.date):
        return str(value)
    if isinstance(value, models.Model):
        return value.pk
    return value
