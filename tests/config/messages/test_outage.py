"""A restart of the database parks nobody's message."""

from __future__ import annotations

import dramatiq
import pytest
from django.db import OperationalError
from dramatiq import Worker

from config.models import QueuedMessage
from tests.config.messages.test_postgres import broker  # noqa: F401 - the fixture
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_actor_without_retries_is_tried_again_after_an_outage(broker):  # noqa: F811
    seen: list[int] = []

    @dramatiq.actor(broker=broker, queue_name="cpu", max_retries=0)
    def sweep():
        seen.append(1)
        if len(seen) < 2:
            raise OperationalError("the database system is shutting down")

    sweep.send()
    worker = Worker(broker, queues={"cpu"}, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        until(lambda: len(seen) == 2 and not QueuedMessage.objects.exists())
    finally:
        worker.stop(timeout=60_000)


def test_its_own_failure_is_still_final(broker):  # noqa: F811
    seen: list[int] = []

    @dramatiq.actor(broker=broker, queue_name="cpu", max_retries=0)
    def sweep():
        seen.append(1)
        raise OperationalError if len(seen) == 1 else ValueError("mine")

    sweep.send()
    worker = Worker(broker, queues={"cpu"}, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        until(lambda: QueuedMessage.objects.filter(state="rejected").exists())
    finally:
        worker.stop(timeout=60_000)
    assert len(seen) == 2
    assert QueuedMessage.objects.get().reason == "ValueError: mine"
