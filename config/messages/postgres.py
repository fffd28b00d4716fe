"""The queue on the platform's own PostgreSQL: ``dramatiq-postgres`` with what a platform that must lose nothing needs.

Added to the library (version 1.4.0, pinned):

* ``send()`` writes on Django's connection, so inside ``transaction.atomic()`` a row and the message that it causes
  commit together or not at all; workers are woken after the commit.
* A delivery limit: a message whose worker died ``DELIVERY_LIMIT`` times is parked (state ``rejected``, with the
  reason) instead of killing workers for ever. Redeliveries are spread, so that a bystander is not parked with it.
* Claims and acknowledgements commit without waiting for the disk. A crash of the server may undo the last of them;
  then a message is delivered again, which every actor must bear anyway. Enqueuing always waits.
* A dead worker's messages are given to others after seconds, not a minute.

Tables: see ``config/migrations/0001_queue.py``. Source: https://dramatiq.io/ and PostgreSQL's SKIP LOCKED and NOTIFY.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from typing import Any

import tenacity
from django import db
from django.db import connection
from django.db import transaction as django_transaction
from dramatiq import Message, MessageProxy
from dramatiq.common import current_millis, dq_name
from dramatiq.middleware import Middleware
from dramatiq_postgres import broker as library
from dramatiq_postgres.utils import raise_connection_error, tidy4json, transaction
from psycopg.types.json import Json
from psycopg_pool import ConnectionPool

from config.databases import of_driver

logger = logging.getLogger(__name__)

DELIVERY_LIMIT = 5
HEARTBEAT_SECONDS, DEAD_AFTER_SECONDS, MAINTENANCE_SECONDS = 3.0, 12.0, 4.0

_ASYNC = "SET LOCAL synchronous_commit = off"
_ENQUEUE = """
INSERT INTO dramatiq_queue (queue_name, message_id, state, message, available_at)
VALUES (%s, %s, 'queued', %s, clock_timestamp() + make_interval(secs => %s / 1000.0))
ON CONFLICT (message_id) DO UPDATE SET
    state = 'queued', message = EXCLUDED.message, queue_name = EXCLUDED.queue_name,
    available_at = EXCLUDED.available_at, worker_id = NULL, consumed_at = NULL, deliveries = 0, reason = '',
    mtime = clock_timestamp()
"""
# Alone in its transaction: the lock that NOTIFY takes until the commit is not held while a row waits for the disk.
_WAKE = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, '')"
_CLAIM = """
WITH next AS (
    SELECT message_id FROM dramatiq_queue
    WHERE queue_name = %(queue)s AND state = 'queued' AND available_at <= NOW()
    ORDER BY available_at, position LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE dramatiq_queue AS q SET
        state = (CASE WHEN q.deliveries >= %(deliveries)s THEN 'rejected' ELSE 'consumed' END)::dramatiq_state,
        reason = CASE WHEN q.deliveries >= %(deliveries)s
            THEN 'Parked: the worker died at each of ' || q.deliveries || ' deliveries.' ELSE '' END,
        deliveries = q.deliveries + 1, worker_id = %(worker)s, consumed_at = NOW(), mtime = NOW()
    FROM next WHERE q.message_id = next.message_id
    RETURNING q.state, q.message::text AS message, q.reason, q.available_at, q.position
)
SELECT state, message, reason FROM claimed ORDER BY available_at, position
"""
_ACK = "DELETE FROM dramatiq_queue WHERE message_id = %s AND queue_name = %s AND state = 'consumed'"
_NACK = """
UPDATE dramatiq_queue SET state = 'rejected', message = %s, reason = %s, worker_id = NULL, mtime = NOW()
WHERE message_id = %s AND queue_name = %s AND state <> 'rejected'
"""
_REQUEUE = """
UPDATE dramatiq_queue SET state = 'queued', worker_id = NULL, consumed_at = NULL, mtime = NOW(),
    deliveries = GREATEST(deliveries - 1, 0)
WHERE message_id = ANY(%s::uuid[]) AND state = 'consumed'
"""
# From the second death on, what was in one worker's hands comes back at different moments.
_REAP = """
UPDATE dramatiq_queue AS q SET state = 'queued', worker_id = NULL, consumed_at = NULL, mtime = NOW(),
    available_at = NOW() + make_interval(secs => CASE WHEN deliveries > 1 THEN random() * 10 * deliveries ELSE 0 END)
WHERE q.state = 'consumed' AND NOT EXISTS (
    SELECT 1 FROM dramatiq_worker AS w
    WHERE w.worker_id = q.worker_id AND w.heartbeat_at > NOW() - make_interval(secs => %s)
        AND w.heartbeat_at < NOW() + interval '1 minute'  -- else the clock was set back after its death
)
"""
# Nothing is sent for later but with an eta: what waits so long without was sent before the clock was set back. The
# scheduler, too, would wait for it.
_REWIND = """
UPDATE dramatiq_queue SET available_at = NOW()
WHERE state = 'queued' AND available_at > NOW() + interval '5 minutes' AND NOT message->'options' ? 'eta'
"""
_CLEAN = "DELETE FROM dramatiq_worker WHERE heartbeat_at < NOW() - make_interval(secs => %s)"
_PURGE = "DELETE FROM dramatiq_queue WHERE state = 'rejected' AND mtime < NOW() - interval '30 days'"
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('crowdtune'), hashtext('queue maintenance'))"


class PostgresBroker(library.PostgresBroker):
    """Dramatiq's broker on Django's default database."""

    def __init__(self, *, middleware: list[Middleware], delivery_limit: int = DELIVERY_LIMIT) -> None:
        super().__init__(
            pool=_pool(),
            results=False,
            schema="public",
            prefix="dramatiq_",
            heartbeat_interval=HEARTBEAT_SECONDS,
            heartbeat_ttl=DEAD_AFTER_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            middleware=middleware,
        )
        self.delivery_limit = delivery_limit
        self._maintenance_at: float = 0.0

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Write the message on Django's connection: within its transaction when there is one."""
        self.emit_before("enqueue", message, delay)
        message = write(message, delay)
        # A function with a name: Django logs that name when it fails, and a partial has none.
        django_transaction.on_commit(lambda: _wake(message.queue_name), robust=True)
        self.emit_after("enqueue", message, delay)
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> PostgresConsumer:
        # Only workers need connections beside Django's, so only they open the pool.
        self.pool.open()
        return PostgresConsumer(broker=self, queue_name=queue_name, prefetch=prefetch, timeout=timeout)

    def maybe_maintenance(self, conn: Any) -> None:
        """Give a dead worker's messages to the living, and forget what is old; one process at a time."""
        now = time.monotonic()
        with self._maintenance_lock:
            if now < self._maintenance_at:
                return
            self._maintenance_at = now + self.maintenance_interval * random.uniform(0.5, 1.5)
        with transaction(conn) as cursor:
            if not cursor.execute(_LOCK).fetchone()[0]:
                return
            cursor.execute(_REAP, (self.heartbeat_ttl,))
            if cursor.rowcount:
                logger.warning("Gave back %d messages of dead workers.", cursor.rowcount)
            cursor.execute(_REWIND)
            cursor.execute(_CLEAN, (self.heartbeat_ttl * 5,))
            cursor.execute(_PURGE)

    def leave(self) -> None:
        """Forget this worker, so that what it could not finish is given to others at once."""
        with transaction(self.pool) as cursor:
            cursor.execute("DELETE FROM dramatiq_worker WHERE worker_id = %s", (self.worker_id,))


class PostgresConsumer(library.PostgresConsumer):
    broker: PostgresBroker
    buffer: list[Message[Any]]

    @raise_connection_error
    def claim(self, limit: int) -> None:
        values = {
            "queue": self.queue_name,
            "limit": limit,
            "deliveries": self.broker.delivery_limit,
            "worker": self.broker.worker_id,
        }
        with transaction(self.get_consume_conn()) as cursor:
            cursor.execute(_ASYNC)
            rows = cursor.execute(_CLAIM, values).fetchall()
        for state, payload, reason in rows:
            message = Message.decode(payload.encode())
            if state == "rejected":
                logger.error("Message %s %s: %s", message.actor_name, message.message_id, reason)
            else:
                self.buffer.append(message)

    @raise_connection_error
    def ack(self, message: MessageProxy) -> None:
        with transaction(self.pool) as cursor:
            cursor.execute(_ASYNC)
            cursor.execute(_ACK, (message.message_id, message.queue_name))
        self._done(message)

    @raise_connection_error
    def nack(self, message: MessageProxy) -> None:
        reason = (message.options.get("traceback") or "").strip().rpartition("\n")[2] or "Rejected by its actor."
        with transaction(self.pool) as cursor:
            cursor.execute(_NACK, (Json(tidy4json(message)), reason[:1000], message.message_id, message.queue_name))
        self._done(message)

    @raise_connection_error
    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        names = [message.message_id for message in messages]
        if names:
            with transaction(self.get_consume_conn()) as cursor:
                cursor.execute(_REQUEUE, (names,))

    def close(self) -> None:
        # What was claimed and not yet begun goes back now and does not count as a delivery.
        waiting, self.buffer = self.buffer, []
        self.requeue(waiting)
        super().close()

    def _done(self, message: MessageProxy) -> None:
        self.in_processing.discard(message.message_id)
        self.wakeup.set()


def _pool() -> ConnectionPool:
    """A pool to the same database as Django's, closed until a worker opens it."""
    parameters = of_driver(connection.get_connection_params())
    keepalive = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    return ConnectionPool(
        kwargs={**keepalive, **parameters, "application_name": "crowdtune queue"},
        min_size=0,
        max_size=32,
        open=False,
        check=ConnectionPool.check_connection,
    )


def _execute(query: str, values: tuple[Any, ...]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, values)


def _drop_connection(_state: tenacity.RetryCallState) -> None:
    connection.close()


# Outside a transaction nobody else's work is lost with the connection, so a restart of the server is waited for.
_execute_again = tenacity.retry(
    retry=tenacity.retry_if_exception_type((db.OperationalError, db.InterfaceError)),
    wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
    stop=tenacity.stop_after_attempt(8),
    before_sleep=_drop_connection,
    reraise=True,
)(_execute)


def write(message: Message[Any], delay: int | None = None) -> Message[Any]:
    """Put the message into the table, within a transaction when there is one; returns it as it stands there."""
    if delay:
        message = message.copy(queue_name=dq_name(message.queue_name))
        message.options["eta"] = current_millis() + delay
    row = (message.queue_name, message.message_id, Json(tidy4json(message)), delay or 0)
    if connection.in_atomic_block:
        _execute(_ENQUEUE, row)
    else:
        _execute_again(_ENQUEUE, row)
    return message


def _wake(queue_name: str) -> None:
    _execute(_WAKE, (f"dramatiq.{queue_name}.enqueue",))
