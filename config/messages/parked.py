"""Messages that were given up: sent again, or thrown away, by a person who has looked at why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from config.models import QueuedMessage


def send_again(ids: Iterable[Any]) -> int:
    """Put parked messages back into their queues with a fresh count of deliveries; returns how many."""
    with transaction.atomic():
        rows = QueuedMessage.objects.filter(pk__in=list(ids), state=QueuedMessage.State.REJECTED)
        return rows.update(
            state=QueuedMessage.State.QUEUED, deliveries=0, reason="", worker_id=None, available_at=timezone.now()
        )


def throw_away(ids: Iterable[Any]) -> int:
    """Delete parked messages; those that wait or are worked on stay."""
    return QueuedMessage.objects.filter(pk__in=list(ids), state=QueuedMessage.State.REJECTED).delete()[0]
