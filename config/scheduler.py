"""Sends the messages that are due by the clock. Every rhythm of the platform is one line here.

Any number of schedulers may run: the one that holds the database's advisory lock sends, the others wait for it to go.
An actor that is still at work, or waiting, from its last turn is not sent again on the default queue, so a slow worker
does not pile up the same question.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from typing import Any

import dramatiq
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from dramatiq.errors import BrokerConnectionError

from config.messages.on_commit import OnCommit, send_on
from config.models import QueuedMessage

logger = logging.getLogger(__name__)

# (every so many seconds, the actor): actors without arguments, in <room>/actors.py.
SCHEDULE: list[tuple[float, str]] = [
    (15, "labeling.actors.expire_leases"),
    (5, "labeling.actors.refit_due"),
    (20, "labeling.actors.requeue_stuck_jobs"),
    (5, "labeling.actors.deliver_webhooks"),
    (120, "labeling.actors.discard_files"),
    (3600, "labeling.actors.forget_what_is_over"),
    (1, "training.actors.check_due"),
    (20, "training.actors.requeue_stuck_runs"),
    (3, "training.actors.embed_new_images"),
    (600, "training.actors.sweep_leftovers"),
    (5, "inference.actors.score_pools"),
    (10, "inference.actors.close_loop"),
]
LEADER_LOCK = 0x7363686564  # "sched"
_TICK_SECONDS = 0.5
_AWAY_SECONDS = 3.0


class Scheduler:
    def __init__(self, schedule: list[tuple[float, str]]) -> None:
        self.entries = [(seconds, find(name)) for seconds, name in schedule]
        self.due = [time.monotonic()] * len(self.entries)
        self.leads = False

    def run(self, stop: threading.Event) -> None:
        """Send what is due until ``stop``; a database or a broker that went away is waited for."""
        while not stop.wait(_TICK_SECONDS):
            try:
                self.tick(time.monotonic())
            except (DatabaseError, InterfaceError) as error:
                logger.warning("the database does not answer: %s", str(error).strip().partition("\n")[0])
                self.leads = False
                # The session goes too, and its lock with it, instead of back to the pool.
                connection.close()
                connection.close_pool()  # type: ignore[attr-defined]
            except BrokerConnectionError as error:
                logger.warning("the broker of BROKER_URL does not answer: %s", str(error).strip().partition("\n")[0])
                stop.wait(_AWAY_SECONDS)

    def tick(self, now: float) -> list[str]:
        """One look at the clock, as leader or not; returns the names of the actors that were sent."""
        if not self._lead():
            return []
        broker = dramatiq.get_broker()
        if isinstance(broker, OnCommit):
            send_on(broker)
        sent = []
        for position, (seconds, actor) in enumerate(self.entries):
            if now < self.due[position]:
                continue
            if not waiting(actor):
                actor.send()
                sent.append(actor.actor_name)
            self.due[position] = now + seconds
        return sent

    def _lead(self) -> bool:
        """Whether this process holds the lock, which lives and dies with its database session."""
        with connection.cursor() as cursor:
            if self.leads:
                cursor.execute("SELECT 1")
            else:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK])
                self.leads = bool(cursor.fetchone()[0])
                if self.leads:
                    logger.info("leading: %d rhythms", len(self.entries))
        return self.leads


def find(name: str) -> dramatiq.Actor[[], Any]:
    """The actor at ``<room>.actors.<name>``; raises where there is none, so that a start tells of it."""
    module, _, attribute = name.rpartition(".")
    actor = getattr(importlib.import_module(module), attribute)
    if not isinstance(actor, dramatiq.Actor):
        raise TypeError(f"{name} must be an actor, is {type(actor).__name__}.")
    return actor


def waiting(actor: dramatiq.Actor[[], Any]) -> bool:
    """Whether the actor's last message is still in the queue; unknown, so no, on RabbitMQ and Redis."""
    if settings.BROKER_URL:
        return False
    return QueuedMessage.objects.filter(state__in=["queued", "consumed"], message__actor_name=actor.actor_name).exists()
