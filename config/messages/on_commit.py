"""For a broker that is a second system: a message leaves after the commit that caused it, and never on a rollback.

A crash between the commit and the send loses the message; the sweepers that re-send rows stuck in a state
(config/scheduler.py) make good for it.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from dramatiq import Broker, Message


class OnCommit(Broker):
    """Put before a broker's class."""

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        enqueue = super().enqueue

        # A function with a name: Django logs that name when it fails, and a partial has none.
        def send() -> Message[Any]:
            return enqueue(message, delay=delay)

        if not connection.in_atomic_block:
            return send()
        # The transaction has been committed when this fails: the request must not.
        transaction.on_commit(send, robust=True)
        return message
