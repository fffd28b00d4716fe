"""The statements of answering: a lease becomes a judgment, and every counter that knows of it moves along. Worker-side.

Everyone locks a task before its assignments: a claim that holds the task may have to wait for an assignment that was
made a moment ago, and must not be waited for by its answer. One statement writes assignment, judgment, task and
membership, so nobody can see one without the others; the project's own row, which all workers of a project share, is
written last and held for as short as possible.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any, NamedTuple

from labeling.leases import fetch

LONGEST_SECONDS = 3600.0


class Recorded(NamedTuple):
    """The judgment as it was stored, and its task as it is now, under the lock that the statement took."""

    judgment_id: int
    task_id: int
    judgment_count: int
    wanted: int
    state: str
    retired_because: str
    created_at: datetime


_RECORD = """
WITH held AS MATERIALIZED (
    SELECT t.id AS task_id FROM labeling_assignment a JOIN labeling_task t ON t.id = a.task_id
    WHERE a.id = %(assignment)s FOR UPDATE OF t
),
done AS (
    UPDATE labeling_assignment a SET state = 'submitted' FROM held
    WHERE a.id = %(assignment)s AND a.task_id = held.task_id AND (a.state = 'leased') IS TRUE  -- by its id alone
    RETURNING a.id, a.task_id, a.project_id, a.worker_id
),
counted AS (
    UPDATE labeling_task t SET judgment_count = t.judgment_count + 1 FROM done
    WHERE t.id = done.task_id RETURNING t.id, t.judgment_count, t.wanted, t.is_gold, t.state, t.retired_because
),
person AS (
    UPDATE labeling_membership m SET judgment_count = m.judgment_count + 1,
        seconds = m.seconds + coalesce(%(seconds)s::float8, 0), earned = m.earned + %(price)s,
        streak_days = CASE WHEN m.last_day = current_date THEN m.streak_days
                           WHEN m.last_day = current_date - 1 THEN m.streak_days + 1 ELSE 1 END,
        last_day = current_date
    FROM done WHERE m.project_id = done.project_id AND m.user_id = done.worker_id
),
said AS (
    INSERT INTO labeling_judgment (task_id, project_id, worker_id, assignment_id, answers, seconds, survey_version,
                                   source, is_gold, price, created_at)
    SELECT done.task_id, done.project_id, done.worker_id, done.id, %(answers)s::jsonb, %(seconds)s::float8,
           %(version)s, %(source)s, counted.is_gold, %(price)s, %(now)s
    FROM done JOIN counted ON counted.id = done.task_id RETURNING id
)
SELECT said.id, counted.id, counted.judgment_count, counted.wanted, counted.state, counted.retired_because,
       %(now)s::timestamptz
FROM said, counted"""

_COUNT = """
UPDATE labeling_project SET judgment_count = judgment_count + %(count)s, spent = spent + %(price)s,
    answers_version = answers_version + 1
WHERE id = %(project)s RETURNING spent, budget, price_per_judgment"""


def record(
    *,
    assignment_id: uuid.UUID,
    answers: dict[str, Any],
    seconds: float | None,
    version: int,
    price: Any,
    source: str = "worker",
) -> Recorded | None:
    """Turn a live lease into a judgment, or None when the lease is not live any more."""
    rows = fetch(
        _RECORD,
        {
            "assignment": assignment_id,
            "answers": json.dumps(answers),
            "seconds": seconds,
            "version": version,
            "price": price,
            "source": source,
        },
    )
    return Recorded(*rows[0]) if rows else None


def count(*, project_id: int, judgments: int, price: Any) -> bool:
    """Move the project's counters by some judgments; True when the next one would not fit into the budget."""
    rows = fetch(_COUNT, {"project": project_id, "count": judgments, "price": price})
    spent, budget, each = rows[0]
    return budget is not None and spent + each > budget


_MARK = """
UPDATE labeling_membership SET gold_seen = gold_seen + %(seen)s, gold_right = gold_right + %(right)s
WHERE project_id = %(project)s AND user_id = %(worker)s RETURNING id"""


def mark_gold(*, project_id: int, worker_id: int, seen: int, right: int) -> None:
    """Write down how an answer to a known task went."""
    fetch(_MARK, {"project": project_id, "worker": worker_id, "seen": seen, "right": right})


def usable_seconds(value: Any) -> float | None:
    """Active seconds as a client reports them: a finite number, capped at an hour; anything else is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return float(min(value, LONGEST_SECONDS))
