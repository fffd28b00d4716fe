"""The statements of leasing: which task is next for a worker, and what becomes of leases. Worker-side, PostgreSQL only.

Plain SQL, because each verb here is one statement that many people wait for at once. The claim order is the partial
index ``task_claim_order``: only open tasks with a free slot are in it, so it stays small. A claim looks at the head of
that order first; a worker who has been through the head goes on after the last task judged; only then is all of the
order searched, waiting for rows that others hold, so "nothing is left" is never said because of somebody's lock.

The statements are written so that no plan can go wrong: they are planned once a connection, perhaps while the tables
are nearly empty, and a join that was quick then reads a whole index later. A lookup for each row of a short list is a
scalar subquery or a lateral one, which cannot become another kind of join.

Two claims of one person at the same moment may choose the same slot; the unique index refuses the second, which then
looks again. Source: https://www.postgresql.org/docs/current/sql-select.html (FOR UPDATE, SKIP LOCKED).
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.utils import timezone

from labeling.errors import CrowdtuneError
from labeling.models import Assignment
from labeling.resilience.heartbeat import SKEW
from labeling.surveys import survey
from labeling.text import words
from labeling.text.words import gettext as _

# Rows of the order that a claim looks at: its head, after the last task judged, and ahead for images to load.
HEAD = 32
AFTER = 8
NEAR = 5
TRIES = 10
# The most leases that one person holds at once.
MOST = 30
# After so many looks at all of the order that others were quicker at, a claim asks to try again.
LOOKS = 20


class Lease(NamedTuple):
    """A live assignment with what is needed to show its task; ``upcoming`` are images that will probably be next.

    ``survey_version`` is the form that was handed out with it: it stays the lease's, whatever is edited meanwhile.
    """

    id: uuid.UUID
    task_id: int
    stage: str
    payload: dict[str, Any]
    image_id: int
    image_name: str
    width: int
    height: int
    display: str
    created_at: datetime.datetime
    expires_at: datetime.datetime
    survey_version: int
    worker_id: int
    upcoming: list[dict[str, Any]]

    @property
    def asked_as(self) -> str:
        """The stage as a worker is told it: without what comes after its name, which tells a round, or a gold task."""
        return self.stage.partition(":")[0]

    @property
    def order_seed(self) -> str:
        """The seed of the order in which its choices are shown."""
        return survey.order_seed(worker_id=self.worker_id, task_id=self.task_id)


# "<> 1", not "IS NULL": of the latter the planner expects one row in 200, twice over, so that it would sooner sort
# all of a large order than walk along it until it has enough.
_UNSEEN = """
    coalesce((SELECT 1 FROM labeling_assignment x WHERE x.task_id = t.id AND x.worker_id = %(worker)s
              AND x.state IN ('leased', 'submitted', 'skipped') LIMIT 1), 0) <> 1
    AND coalesce((SELECT 1 FROM labeling_judgment y WHERE y.task_id = t.id AND y.worker_id = %(worker)s
                  AND y.withdrawn_at IS NULL LIMIT 1), 0) <> 1"""
_FREE = "t.project_id = %(project)s AND t.state = 'open' AND t.open_slots > 0"
_ORDER = "ORDER BY t.priority DESC, t.random, t.id"

_LIVE = """
live AS MATERIALIZED (
    SELECT a.id, a.task_id, a.created_at, a.expires_at, a.survey_version FROM labeling_assignment a
    WHERE a.worker_id = %(worker)s AND a.project_id = %(project)s AND a.state = 'leased'
        AND (a.expires_at > %(now)s) IS TRUE  -- not by the index of expiries, which holds everybody's leases
    ORDER BY a.created_at
)"""
_SHOW = """
SELECT l.id, t.id, t.stage, t.payload, i.id, i.name, i.width, i.height, i.display, l.created_at, l.expires_at,
       l.survey_version, %(worker)s::bigint, {upcoming}
FROM (SELECT * FROM live UNION ALL SELECT * FROM made) l
JOIN labeling_task t ON t.id = l.task_id
JOIN labeling_image i ON i.id = t.image_id
ORDER BY l.created_at, l.id"""
_UPCOMING = f"""(
    SELECT json_agg(json_build_object('task', n.id, 'id', n.image_id, 'display', n.display)) FROM (
        SELECT p.id, p.image_id, (SELECT j.display FROM labeling_image j WHERE j.id = p.image_id) AS display
        FROM pool p LIMIT {NEAR}) n)"""
_POOLS = {
    "head": f"""SELECT t.id, t.image_id FROM (
                    SELECT t.* FROM labeling_task t WHERE {_FREE} {_ORDER} LIMIT {HEAD}) t
                WHERE {_UNSEEN} {_ORDER} LIMIT %(hold)s + {AFTER}""",
    "after": f"""SELECT t.id, t.image_id FROM (
                     SELECT t.* FROM labeling_task t WHERE {_FREE} AND t.priority = %(priority)s
                     AND (t.random, t.id) > (%(random)s, %(id)s) ORDER BY t.random, t.id LIMIT {HEAD}) t
                 WHERE {_UNSEEN} ORDER BY t.random, t.id LIMIT %(hold)s + {AFTER}""",
    "all": f"""SELECT t.id, t.image_id FROM labeling_task t WHERE {_FREE} AND {_UNSEEN} {_ORDER}
               LIMIT {MOST + HEAD}""",
    "first": f"SELECT t.id, t.image_id FROM labeling_task t WHERE {_FREE} AND {_UNSEEN} {_ORDER} LIMIT 1",
}


# A claim that is a transaction of its own does not wait for the disk: that wait is most of what it costs the database.
# A server that dies forgets the leases of its last half second at most; an answer waits, and takes them along.
_SOON = """
soon AS MATERIALIZED (
    SELECT set_config('synchronous_commit',
                      CASE WHEN %(alone)s THEN 'off' ELSE current_setting('synchronous_commit') END, true)
)"""


# Each new one is a little younger than the one before it, by the clock that ends them: the database's may be another.
_IN_TURN = "%(now)s + (clock_timestamp() - statement_timestamp())"


def _claim_statement(pool: str, skip: str) -> str:
    return f"""WITH {_LIVE}, {_SOON},
pool AS MATERIALIZED ({_POOLS[pool]}),
candidate AS (
    SELECT f.id, f.wanted FROM pool p CROSS JOIN LATERAL (
        SELECT t.id, t.wanted FROM labeling_task t WHERE t.id = p.id AND {_FREE} FOR UPDATE OF t {skip}) f
    LIMIT greatest(0, %(hold)s - (SELECT count(*) FROM live))
),
taken AS (UPDATE labeling_task t SET open_slots = t.open_slots - 1 FROM candidate c WHERE t.id = c.id),
made AS (
    INSERT INTO labeling_assignment (id, task_id, project_id, worker_id, slot, state, reason, created_at, expires_at,
                                     survey_version, price)
    SELECT gen_random_uuid(), c.id, %(project)s, %(worker)s,
           (SELECT min(s) FROM generate_series(0, c.wanted - 1) s WHERE s <> ALL (ARRAY(
               SELECT a.slot FROM labeling_assignment a
               WHERE a.task_id = c.id AND a.state IN ('leased', 'submitted')))),
           'leased', '', coalesce(%(since)s::timestamptz, {_IN_TURN}),
           %(now)s + make_interval(secs => %(seconds)s), %(version)s, %(price)s::numeric
    FROM candidate c CROSS JOIN soon RETURNING id, task_id, created_at, expires_at, survey_version
)
{_SHOW.format(upcoming=_UPCOMING)}"""


_CLAIMS = {
    "head": _claim_statement("head", "SKIP LOCKED"),
    "after": _claim_statement("after", "SKIP LOCKED"),
    "all": _claim_statement("all", "SKIP LOCKED"),
    "first": _claim_statement("first", ""),
}
_POSITION = """
SELECT t.priority, t.random, t.id FROM (
    SELECT task_id FROM labeling_judgment WHERE worker_id = %(worker)s AND project_id = %(project)s
    ORDER BY id DESC LIMIT 20) j
JOIN labeling_task t ON t.id = j.task_id AND NOT t.is_gold ORDER BY t.priority, t.random DESC LIMIT 1"""
_GOLD = f"""WITH {_LIVE}, {_SOON},
candidate AS (
    SELECT t.id, t.wanted FROM labeling_gold g JOIN labeling_task t ON t.id = g.task_id
    WHERE t.project_id = %(project)s AND t.is_gold AND g.use = %(use)s AND t.wanted < 32000 AND {_UNSEEN}
    ORDER BY {{order}} LIMIT (SELECT count(*) FROM unnest(%(gold)s::boolean[]) WITH ORDINALITY d(is_gold, place)
                            WHERE d.is_gold AND d.place > (SELECT count(*) FROM live)) FOR UPDATE OF t
),
taken AS (UPDATE labeling_task t SET wanted = t.wanted + 1 FROM candidate c WHERE t.id = c.id),
made AS (
    INSERT INTO labeling_assignment (id, task_id, project_id, worker_id, slot, state, reason, created_at, expires_at,
                                     survey_version, price)
    SELECT gen_random_uuid(), c.id, %(project)s, %(worker)s, c.wanted, 'leased', '',
           coalesce(%(since)s::timestamptz, {_IN_TURN}),
           %(now)s + make_interval(secs => %(seconds)s), %(version)s, %(price)s::numeric
    FROM candidate c CROSS JOIN soon RETURNING id, task_id, created_at, expires_at, survey_version
)
{_SHOW.format(upcoming="NULL")}"""
# Hidden gold starts at a random place of the order; practice and the test keep the owner's order.
_HIDDEN_GOLD = _GOLD.format(order="(t.random < %(from)s), t.random")
_ORDERED_GOLD = _GOLD.format(order="g.position, t.id")
_SHOW_LIVE = f"WITH {_LIVE}, made AS (SELECT * FROM live WHERE false) {_SHOW.format(upcoming='NULL')}"


def live(*, project_id: int, worker_id: int) -> list[Lease]:
    """The worker's live leases, oldest first."""
    return _leases(_SHOW_LIVE, {"project": project_id, "worker": worker_id})


_SHOW_ONE = f"""WITH live AS MATERIALIZED (
    SELECT a.id, a.task_id, a.created_at, a.expires_at, a.survey_version FROM labeling_assignment a
    WHERE a.id = %(id)s AND a.worker_id = %(worker)s AND a.project_id = %(project)s AND a.state = ANY(%(states)s)
), made AS (SELECT * FROM live WHERE false) {_SHOW.format(upcoming="NULL")}"""


def find(*, project_id: int, worker_id: int, assignment_id: uuid.UUID) -> Lease | None:
    """The worker's lease that can be answered: a live one, one that ran out and may be taken again, or one whose answer
    is stored and comes again, as from a page that is loaded anew.
    """
    states = ["leased", "expired", "submitted"]
    values = {"project": project_id, "worker": worker_id, "id": assignment_id, "states": states}
    found = _leases(_SHOW_ONE, values)
    return found[0] if found else None


def claim(
    *,
    project_id: int,
    worker_id: int,
    hold: int,
    seconds: int,
    version: int,
    price: Decimal,
    since: datetime.datetime | None = None,
) -> list[Lease]:
    """Bring the worker's live leases up to ``hold`` and return them, oldest first; fewer when no more are in reach.

    New leases are of this version of the survey; live ones keep theirs. With ``since`` all new ones are equally old and
    come in an order drawn at random; without, in that of the claims. ``price`` is what an answer to a new one earns.

    Raises:
        CrowdtuneError: busy; something is left, but others were quicker each time.
    """
    values: dict[str, Any] = {
        "project": project_id, "worker": worker_id, "hold": hold, "seconds": seconds, "version": version,
        "price": price, "since": since,
    }  # fmt: skip
    leases = _leases(_CLAIMS["head"], values)
    if len(leases) >= hold:
        return leases
    position = fetch(_POSITION, values)
    if position:
        after = {**values, "priority": position[0][0], "random": position[0][1], "id": position[0][2]}
        leases = _leases(_CLAIMS["after"], after)
        if len(leases) >= hold:
            return leases
    for _look in range(LOOKS):  # each one without a lease is one in which others took all that was in reach
        leases = _leases(_CLAIMS["all"], values)
        if leases or not fetch(_POOLS["first"], values):
            return leases
        leases = _leases(_CLAIMS["first"], values)
        if leases:
            return leases
    raise CrowdtuneError("busy", _("Others took every task at the moment it was free. Ask again in a moment."), 503)


def is_any_left(*, project_id: int, worker_id: int) -> bool:
    """Whether there is an open task that this worker may be handed; looked for as by ``claim``."""
    values: dict[str, Any] = {"project": project_id, "worker": worker_id, "hold": 0}
    if fetch(_POOLS["head"], values):
        return True
    for priority, random, pk in fetch(_POSITION, values):
        if fetch(_POOLS["after"], {**values, "priority": priority, "random": random, "id": pk}):
            return True
    return bool(fetch(_POOLS["first"], values))


def claim_gold(
    *,
    use: str,
    gold: Sequence[bool],
    start: float,
    project_id: int,
    worker_id: int,
    seconds: int,
    version: int,
    price: Decimal,
    since: datetime.datetime | None = None,
) -> list[Lease]:
    """Like ``claim``, from tasks whose answer is known; ``gold`` says of each lease to hold whether it is to be one."""
    known: dict[str, Any] = {
        "project": project_id, "worker": worker_id, "use": use, "gold": list(gold), "from": start, "seconds": seconds,
        "version": version, "price": price, "since": since,
    }  # fmt: skip
    return _leases(_HIDDEN_GOLD if use == "hidden" else _ORDERED_GOLD, known)


# Claims near the budget's end come one after the other; what is leased counts as spent. One look sees both at once.
_LEFT = """
SELECT floor((p.budget - p.spent - (
    SELECT coalesce(sum(coalesce(a.price, p.price_per_judgment)), 0) FROM labeling_assignment a
    WHERE a.project_id = p.id AND a.state = 'leased')) / p.price_per_judgment)::int
FROM labeling_project p WHERE p.id = %(project)s"""


def hold_budget(*, project_id: int) -> None:
    """The lock of ``affordable``, which comes before those of tasks, to the end of the caller's transaction."""
    fetch("SELECT pg_advisory_xact_lock(4242, %(project)s::int)", {"project": project_id})


def affordable(*, project_id: int) -> int:
    """How many more leases the budget allows, under a lock that lasts to the end of the caller's transaction."""
    hold_budget(project_id=project_id)
    return int(fetch(_LEFT, {"project": project_id})[0][0])


_EXPIRE = """
WITH over AS (
    SELECT a.id FROM labeling_assignment a JOIN labeling_task t ON t.id = a.task_id
    WHERE a.state = 'leased' AND a.expires_at <= %(now)s {only}
    ORDER BY a.id LIMIT 5000 FOR UPDATE OF t, a SKIP LOCKED
),
gone AS (UPDATE labeling_assignment a SET state = 'expired' FROM over WHERE a.id = over.id RETURNING a.task_id),
freed AS (SELECT task_id, count(*) AS slots FROM gone GROUP BY task_id),
back AS (
    UPDATE labeling_task t SET open_slots = t.open_slots + f.slots FROM freed f
    WHERE t.id = f.task_id AND t.state = 'open' RETURNING t.id
)
SELECT count(*) FROM gone"""


def expire(*, project_id: int | None = None) -> int:
    """Give back the slots of leases that are over; returns how many."""
    if project_id is None:
        _begin_anew()
    only = "" if project_id is None else "AND a.project_id = %(project)s"
    return int(fetch(_EXPIRE.format(only=only), {"project": project_id})[0][0])


def _begin_anew() -> None:
    """Where the clock was set back since they were given out, leases would hold their slots until it has caught up."""
    now = timezone.now()
    ahead = Assignment.objects.filter(state=Assignment.State.LEASED, created_at__gt=now + SKEW)
    lasts = F("expires_at") - F("created_at")
    ahead.update(created_at=now, expires_at=ExpressionWrapper(lasts + now, DateTimeField()))


_END = """
WITH held AS MATERIALIZED (
    SELECT t.id AS task_id FROM labeling_assignment a JOIN labeling_task t ON t.id = a.task_id
    WHERE a.id = %(id)s AND a.worker_id = %(worker)s FOR UPDATE OF t
),
ended AS (
    UPDATE labeling_assignment a SET state = %(state)s, reason = %(reason)s FROM held
    WHERE a.id = %(id)s AND a.task_id = held.task_id AND (a.state = 'leased') IS TRUE
    RETURNING a.task_id, a.project_id
),
back AS (
    UPDATE labeling_task t SET open_slots = t.open_slots + 1 FROM ended e
    WHERE t.id = e.task_id AND t.state = 'open' RETURNING t.id
)
SELECT task_id, project_id FROM ended"""


def end(*, assignment_id: uuid.UUID, worker_id: int, state: str, reason: str) -> tuple[int, int] | None:
    """End a live lease without an answer: ``(task, project)``, or None when it was not live."""
    values = {"id": assignment_id, "worker": worker_id, "state": state, "reason": words.stored(reason)}
    rows = fetch(_END, values)
    return (rows[0][0], rows[0][1]) if rows else None


_SKIP = """
UPDATE labeling_membership SET skip_count = skip_count + 1
WHERE project_id = %(project)s AND user_id = %(worker)s RETURNING id"""


def count_skip(*, project_id: int, worker_id: int) -> None:
    fetch(_SKIP, {"project": project_id, "worker": worker_id})


def _leases(statement: str, values: dict[str, Any]) -> list[Lease]:
    values["alone"] = alone = not connection.in_atomic_block
    for attempt in range(TRIES):
        try:
            if alone:
                return [_lease(row) for row in fetch(statement, values)]
            with transaction.atomic():
                return [_lease(row) for row in fetch(statement, values)]
        except IntegrityError:
            if attempt == TRIES - 1:
                raise
    return []


def _lease(row: Sequence[Any]) -> Lease:
    payload = json.loads(row[3]) if isinstance(row[3], str) else row[3]
    upcoming = json.loads(row[13]) if isinstance(row[13], str) else row[13]
    soon = [image for image in upcoming or [] if image["task"] != row[1]]
    return Lease._make([*row[:3], payload or {}, *row[4:13], soon])


def fetch(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Run one prepared statement on Django's connection, in its transaction when there is one.

    ``%(now)s`` is this moment by the platform's clock, so that it also passes within a transaction.
    """
    values["now"] = timezone.now()
    django_connection = connections[DEFAULT_DB_ALIAS]  # looked up once, where ``connection`` would at each mention
    django_connection.ensure_connection()
    with django_connection.wrap_database_errors, psycopg.Cursor(django_connection.connection) as cursor:
        cursor.execute(statement, values, prepare=True)
        return cursor.fetchall()
