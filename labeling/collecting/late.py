"""Answers under a lease that is over: the task is taken again where there is room. Worker-side, PostgreSQL only.

Statements like those of ``labeling.collecting.leases``, under the same rules.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, transaction

from labeling import words
from labeling.collecting.leases import fetch
from labeling.words import gettext as _

_YIELD = """
WITH held AS MATERIALIZED (
    SELECT t.id AS task_id, a.worker_id FROM labeling_assignment a JOIN labeling_task t ON t.id = a.task_id
    WHERE a.id = %(id)s AND a.state = 'expired' FOR UPDATE OF t
),
yielded AS (
    UPDATE labeling_assignment a SET state = 'released', reason = %(reason)s FROM held
    WHERE a.task_id = held.task_id AND a.worker_id = held.worker_id AND (a.state = 'leased') IS TRUE
    RETURNING a.task_id, a.price
),
back AS (
    UPDATE labeling_task t SET open_slots = t.open_slots + 1 FROM yielded y
    WHERE t.id = y.task_id AND t.state = 'open' RETURNING t.id
)
SELECT price FROM yielded"""


def give_way(*, assignment_id: uuid.UUID) -> list[Any]:
    """Who answers under a lease that ran out may hold the task anew by now: then that newer lease gives way.

    Returns what was offered for it, in a list; an empty one where there is none.
    """
    values = {"id": assignment_id, "reason": words.stored(_("answered under an earlier lease"))}
    return [price for (price,) in fetch(_YIELD, values)]


_RETAKE = """
WITH room AS (
    SELECT t.id, t.wanted, t.is_gold FROM labeling_task t JOIN labeling_assignment a ON a.task_id = t.id
    WHERE a.id = %(id)s AND a.state IN ('expired', 'withdrawn')
        AND (t.is_gold AND t.wanted < 32000 OR t.state = 'open' AND t.open_slots > 0)
    FOR UPDATE OF t
),
taken AS (
    UPDATE labeling_task t SET wanted = t.wanted + room.is_gold::int,
        open_slots = t.open_slots - (NOT room.is_gold)::int
    FROM room WHERE t.id = room.id
)
UPDATE labeling_assignment a SET state = 'leased', expires_at = %(now)s + make_interval(secs => %(seconds)s),
    slot = CASE WHEN room.is_gold THEN room.wanted ELSE (
        SELECT min(s) FROM generate_series(0, room.wanted - 1) s WHERE NOT EXISTS (
            SELECT 1 FROM labeling_assignment o
            WHERE o.task_id = room.id AND o.slot = s AND o.state IN ('leased', 'submitted'))) END
FROM room WHERE a.id = %(id)s RETURNING a.id"""


def retake(*, assignment_id: uuid.UUID, seconds: int) -> bool:
    """Lease an expired assignment again when nobody has taken its slot; gold has one for everybody, as by a claim."""
    try:
        with transaction.atomic():
            return bool(fetch(_RETAKE, {"id": assignment_id, "seconds": seconds}))
    except IntegrityError:
        return False
