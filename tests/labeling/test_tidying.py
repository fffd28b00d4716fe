"""What is over is forgotten; what still counts stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from labeling import services, tidying
from labeling.models import Project, WebhookDelivery

pytestmark = pytest.mark.django_db


def test_sessions_that_are_over_go_and_others_stay() -> None:
    now = timezone.now()
    for name, hours in (("over", -1), ("lives", 1)):
        Session.objects.create(session_key=name, session_data="", expire_date=now + timedelta(hours=hours))
    tidying.forget()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["lives"]


def test_letters_to_webhooks_are_kept_for_a_month_and_those_that_wait_until_they_arrive(project: Project) -> None:
    hook = services.add_webhook(project=project, user=project.owner, url="https://example.com/hook")
    states = WebhookDelivery.State
    for state, days in ((states.DELIVERED, 31), (states.FAILED, 31), (states.WAITING, 31), (states.DELIVERED, 29)):
        WebhookDelivery.objects.create(
            webhook=hook,
            event="task.retired",
            payload={},
            state=state,
            created_at=timezone.now() - timedelta(days=days),
        )
    tidying.forget()
    assert sorted(WebhookDelivery.objects.values_list("state", flat=True)) == ["delivered", "waiting"]
