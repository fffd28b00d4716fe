"""Forgets what nobody asks for any more: sessions that are over, and old letters to webhooks. Worker-side.

Django deletes an expired session only when its browser comes back, and a webhook has a row for each answer.
Source: https://docs.djangoproject.com/en/5.2/topics/http/sessions/#clearing-the-session-store
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from labeling.models import WebhookDelivery

DELIVERIES_KEPT = timedelta(days=30)


def forget() -> None:
    SessionStore.clear_expired()
    old = WebhookDelivery.objects.filter(created_at__lt=timezone.now() - DELIVERIES_KEPT)
    old.exclude(state=WebhookDelivery.State.WAITING).delete()
