"""For a broker that is a second system: a message leaves after the commit that caused it, and never on a rollback.

What such a broker does not take, away or full as it is, waits in the table of the default queue, and the scheduler
sends it on (``send_on``). A crash between the commit and the send loses the message; the sweepers that re-send rows
stuck in a state (config/scheduler.py) make good for it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from dramatiq import Broker, Message
from dramatiq.errors import BrokerConnectionError, ConnectionFailed

from config.messages import postgres
from config.models import QueuedMessage

logger = logging.getLogger(__name__)
# After a try in vain: one that hangs would hold up each request that sends something, until the web has no thread left.
LEFT_ALONE_SECONDS = 5.0
MOST_AT_ONCE = 500
# Threads that hand something over at once: a broker that hangs is waited for by no more of them, until it is known to.
TRYING = threading.Semaphore(3)
TURN_SECONDS = 0.5


class OnCommit(Broker):
    """Put before a broker's class."""

    refusals: tuple[type[Exception], ...] = (BrokerConnectionError,)  # what it raises where it takes no message
    _left_alone_until = 0.0

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        # A function with a name: Django logs that name when it fails, and a partial has none.
        def send() -> Message[Any]:
            try:
                return self.hand_over(message, delay=delay)
            except BrokerConnectionError as error:
                if not message.args:  # the clock sends it again
                    raise
                logger.warning("%s waits: the broker of BROKER_URL does not take it: %s", message.actor_name, error)
                postgres.write(message, delay)
                return message

        if not connection.in_atomic_block:
            return send()
        # The transaction has been committed when this fails: the request must not.
        transaction.on_commit(send, robust=True)
        return message

    def hand_over(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Give it to the broker now.

        Raises:
            ConnectionFailed: The broker is away, hangs, or takes nothing, as one whose disk is full.
        """
        if not TRYING.acquire(timeout=TURN_SECONDS):
            raise ConnectionFailed("Others wait for its answer.")  # type: ignore[no-untyped-call]
        try:
            return self._hand_over(message, delay)
        finally:
            TRYING.release()

    def _hand_over(self, message: Message[Any], delay: int | None) -> Message[Any]:
        if time.monotonic() < self._left_alone_until:
            raise ConnectionFailed("It did not answer a moment ago.")  # type: ignore[no-untyped-call]
        try:
            return super().enqueue(message, delay=delay)
        except self.refusals as error:
            self._left_alone_until = time.monotonic() + LEFT_ALONE_SECONDS
            raise ConnectionFailed(str(error)) from error  # type: ignore[no-untyped-call]


def send_on(broker: OnCommit) -> int:
    """Give the broker what it has not taken before, the oldest first; returns how many.

    Raises:
        ConnectionFailed: It does not take them yet; the rest waits.
    """
    due = QueuedMessage.objects.filter(state=QueuedMessage.State.QUEUED, available_at__lte=timezone.now())
    rows = due.order_by("available_at", "position")[:MOST_AT_ONCE]
    for row in rows:
        broker.hand_over(Message(**row.message))
        # By now it may have failed, and wait here to be tried again.
        QueuedMessage.objects.filter(pk=row.pk, mtime=row.mtime).delete()
    return len(rows)
