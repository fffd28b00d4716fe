"""For a broker that is a second system: a message leaves after the commit that caused it, and never on a rollback.

A crash between the commit and the send loses the message; the sweepers that re-send rows stuck in a state
(config/scheduler.py) make good for it.
"""

from __future__ import annotations

import functools
from typing import Any

from django.db import connection, transaction
from dramatiq import Broker, Message


class OnCommit(Broker):
    """Put before a broker's class."""

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        send = functools.partial(super().enqueue, message, delay=delay)
        if not connection.in_atomic_block:
            return send()
        # The transaction has been committed when this fails: the request must not.
        transaction.on_commit(send, robust=True)
        return message
