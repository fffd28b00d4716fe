"""Answers and skips under a lease that is over: taken where there is room for them. Worker-side, PostgreSQL only.

Statements like those of ``labeling.collecting.leases``, under the same rules.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, transaction

from labeling.collecting.leases import fetch
from labeling.text import words
from labeling.text.words import gettext as _

# A statement of its own: one that waited for a claim's lock does not see the lease that the claim has made.
_HOLD = """
SELECT t.id FROM labeling_assignment a JOIN labeling_task t ON t.id = a.task_id WHERE a.id = %(id)s FOR UPDATE OF t"""
_YIELD = """
WITH yielded AS (
    UPDATE labeling_assignment a SET state = 'released', reason = %(reason)s FROM labeling_assignment old
    WHERE old.id = %(id)s AND old.state = 'expired'
        AND a.task_id = old.task_id AND a.worker_id = old.worker_id AND (a.state = 'leased') IS TRUE
    RETURNING a.task_id, a.price
),
back AS (
    UPDATE labeling_task t SET open_slots = t.open_slots + 1 FROM yielded y
    WHERE t.id = y.task_id AND t.state = 'open' RETURNING t.id
)
SELECT price FROM yielded"""


def give_way(*, assignment_id: uuid.UUID) -> list[Any]:
    """Who answers under a lease that ran out may hold the task anew by now: then that newer lease gives way.

    Holds the task to the end of the caller's transaction. Returns what was offered for the newer lease, in a list; an
    empty one where there is none.
    """
    fetch(_HOLD, {"id": assignment_id})
    values = {"id": assignment_id, "reason": words.stored(_("answered under an earlier lease"))}
    return [price for (price,) in fetch(_YIELD, values)]


_SKIP = """
UPDATE labeling_assignment a SET state = 'skipped', reason = %(reason)s
WHERE a.id = %(id)s AND a.worker_id = %(worker)s AND a.state = 'expired'
    AND NOT EXISTS (SELECT FROM labeling_assignment o WHERE o.task_id = a.task_id AND o.worker_id = a.worker_id
                    AND o.state IN ('leased', 'submitted', 'skipped'))
RETURNING a.task_id, a.project_id"""


def skip(*, assignment_id: uuid.UUID, worker_id: int, reason: str) -> tuple[int, int] | None:
    """Who skips a task after the lease ran out, and has not been handed it again, is not asked about it again either.

    Returns ``(task, project)``, or None where nothing was changed.
    """
    fetch(_HOLD, {"id": assignment_id})
    rows = fetch(_SKIP, {"id": assignment_id, "worker": worker_id, "reason": words.stored(reason)})
    return (rows[0][0], rows[0][1]) if rows else None


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
