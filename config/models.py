"""The queue's rows as Django sees them: for the admin, the metrics, and to be emptied between tests.

The tables are made by hand in ``migrations/0001_queue.py`` and written by ``config/messages/postgres.py`` alone.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class QueuedMessage(models.Model):
    """A message that waits, is being worked on, or was given up; one that succeeded is deleted."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        CONSUMED = "consumed", _("Being worked on")
        REJECTED = "rejected", _("Parked")

    message_id = models.UUIDField(primary_key=True)
    queue_name = models.TextField()
    state = models.TextField(choices=State)
    mtime = models.DateTimeField()
    message = models.JSONField()
    position = models.BigIntegerField()
    available_at = models.DateTimeField()
    worker_id = models.UUIDField(null=True)
    consumed_at = models.DateTimeField(null=True)
    deliveries = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True)

    class Meta:
        db_table = "dramatiq_queue"
        verbose_name = _("background message")
        verbose_name_plural = _("background messages")
        indexes = [
            models.Index(
                fields=["queue_name", "available_at", "position"],
                name="dramatiq_claim_order",
                condition=Q(state="queued"),
            ),
            models.Index(fields=["state", "mtime"], name="dramatiq_state"),
        ]

    def __str__(self) -> str:
        return f"{self.message.get('actor_name', '?')} {self.message_id}"


class QueueWorker(models.Model):
    """A process that takes messages, alive while its heartbeat is fresh."""

    worker_id = models.UUIDField(primary_key=True)
    heartbeat_at = models.DateTimeField()

    class Meta:
        db_table = "dramatiq_worker"

    def __str__(self) -> str:
        return str(self.worker_id)
