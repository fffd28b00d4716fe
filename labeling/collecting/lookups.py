"""All that a claim, an answer or a question about stored images must know: one look at the database each. Worker-side.

The rows come as model instances that hold only the columns listed here (Django reads any other when it is asked for),
so the verbs take them like any other. Source: https://docs.djangoproject.com/en/5.2/ref/models/instances/#django.db.models.Model.from_db
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Model

from labeling.collecting.leases import fetch
from labeling.collecting.statements import OF_PROJECT, SEEN, Seen
from labeling.models import Image, Membership, Project
from labeling.text import words


def _known(model: type[Model], names: str) -> dict[str, None]:
    """Columns in the model's own order, in which ``from_db`` takes their values; it looks for each of the model's."""
    wanted = set(names.split())
    return dict.fromkeys(field.attname for field in model._meta.concrete_fields if field.attname in wanted)


_PROJECT = _known(
    Project,
    "id slug owner_id access workflow survey_version judgments_min judgments_max confidence aggregator stopping "
    "lease_seconds price_per_judgment budget spent gold_rate gold_count rule_count webhook_count fitted_version "
    "is_paused archived_at",
)
_MEMBER = _known(Membership, "id project_id user_id role phase is_paused paused_because")
_IMAGE = _known(Image, "id sha256 original")


class Key(NamedTuple):
    """What an ``ApiKey`` allows, and its times."""

    project_id: int | None
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None


class Caller(NamedTuple):
    """Who asks with a key, and where."""

    key: Key
    is_active: bool
    is_superuser: bool
    project: Project | None
    member: Membership | None


class Leased(NamedTuple):
    """A lease with what is needed to judge an answer under it."""

    id: uuid.UUID
    worker_id: int
    state: str
    task_id: int
    stage: str
    is_gold: bool
    width: int
    height: int
    survey_version: int
    price: Decimal | None  # as it was offered; None for a lease of a time before that was written down
    known: dict[str, Any] | None
    use: str | None
    project: Project
    seen: Seen


def _columns(alias: str, names: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


# A key that was got by a password ends with it (``labeling.accounts.keys``).
_OF_THIS_PASSWORD = "k.of_password = encode(sha256(convert_to(u.password, 'UTF8')), 'hex')"
_IS_GOOD = f"u.is_active AND (k.of_password = '' OR {_OF_THIS_PASSWORD})"  # most are none, and hash nothing
_CALLER = f"""
SELECT {_IS_GOOD}, u.is_superuser, {_columns("k", Key._fields)}, {_columns("p", _PROJECT)}, {_columns("m", _MEMBER)}
FROM labeling_apikey k
JOIN auth_user u ON u.id = k.user_id
LEFT JOIN labeling_project p ON p.slug = %(slug)s
LEFT JOIN labeling_membership m ON m.project_id = p.id AND m.user_id = k.user_id
WHERE k.digest = %(digest)s"""


def caller(*, digest: str, slug: str) -> Caller | None:
    """The key with this digest, its person, the project and their membership in it; None for a key that is unknown."""
    rows = fetch(_CALLER, {"digest": digest, "slug": slug})
    if not rows:
        return None
    row = rows[0]
    first, second = 2 + len(Key._fields), 2 + len(Key._fields) + len(_PROJECT)
    key = _key(row[2:first])
    project = Project.from_db("default", _PROJECT, row[first:second])
    member = Membership.from_db("default", _MEMBER, row[second:])
    member.paused_because = words.read(member.paused_because or "")  # as the column itself is read
    return Caller(key, row[0], row[1], project if project.pk else None, member if member.pk else None)


_LEASE = f"""a.id, a.worker_id, a.state, t.id, t.stage, t.is_gold, i.width, i.height, a.survey_version, a.price,
       g.answers, g.use, {_columns("p", _PROJECT)}, {SEEN}"""
_WITH_ALL = f"""
JOIN labeling_task t ON t.id = a.task_id
JOIN labeling_image i ON i.id = t.image_id
JOIN labeling_project p ON p.id = a.project_id AND p.deleted_at IS NULL
LEFT JOIN labeling_gold g ON g.task_id = t.id AND t.is_gold
{OF_PROJECT}"""
_LEASED = f"SELECT {_LEASE} FROM labeling_assignment a {_WITH_ALL} WHERE a.id = %(id)s AND a.worker_id = %(worker)s"


def leased(*, assignment_id: uuid.UUID, worker_id: int) -> Leased | None:
    """The worker's assignment, its task, image, gold answer and project; None when it is not theirs."""
    rows = fetch(_LEASED, {"id": assignment_id, "worker": worker_id})
    if not rows:
        return None
    return _leased(rows[0])


_ANSWERING = f"""
SELECT {_IS_GOOD}, u.is_superuser, {_columns("k", Key._fields)}, {_LEASE}
FROM labeling_apikey k
JOIN auth_user u ON u.id = k.user_id
JOIN labeling_assignment a ON a.id = %(id)s AND a.worker_id = k.user_id {_WITH_ALL}
WHERE k.digest = %(digest)s"""


def answering(*, digest: str, assignment_id: uuid.UUID) -> tuple[Caller, Leased] | None:
    """The key's person and their assignment together; None when either is not there."""
    rows = fetch(_ANSWERING, {"digest": digest, "id": assignment_id})
    if not rows:
        return None
    row, first = rows[0], 2 + len(Key._fields)
    lease = _leased(row[first:])
    return Caller(_key(row[2:first]), row[0], row[1], lease.project, None), lease


_STORED = f"""
SELECT {_columns("i", _IMAGE)} FROM labeling_image i
WHERE i.id = ANY(%(ids)s::bigint[]) AND i.project_id = %(project)s"""


def images(*, project_id: int, ids: Sequence[int]) -> dict[int, Image]:
    """Those of the images that are the project's, by id."""
    rows = fetch(_STORED, {"project": project_id, "ids": list(ids)})
    return {row[0]: Image.from_db("default", _IMAGE, row) for row in rows}


def _leased(row: Sequence[Any]) -> Leased:
    known = json.loads(row[10]) if isinstance(row[10], str) else row[10]
    last = 12 + len(_PROJECT)
    project, seen = Project.from_db("default", _PROJECT, row[12:last]), Seen._make(row[last:])
    return Leased._make([*row[:10], known, row[11], project, seen])


def _key(values: Sequence[Any]) -> Key:
    project_id, scopes, expires_at, last_used_at = values
    return Key(project_id, json.loads(scopes) if isinstance(scopes, str) else scopes, expires_at, last_used_at)
