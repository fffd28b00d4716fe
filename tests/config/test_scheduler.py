"""What is sent by the clock: once, by one scheduler, and not on top of what still waits."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator

import dramatiq
import pytest
from django.db import connection

from config import scheduler
from config.models import QueuedMessage

pytestmark = pytest.mark.django_db(transaction=True)


@dramatiq.actor(actor_name="test_tick", queue_name="cpu", max_retries=0)
def tick() -> None:
    """Does nothing: it is only sent."""


@pytest.fixture
def clock() -> Iterator[scheduler.Scheduler]:
    yield scheduler.Scheduler([(10, f"{__name__}.tick")])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


def sent() -> int:
    return QueuedMessage.objects.count()


def test_every_rhythm_names_an_actor_that_takes_no_argument():
    for seconds, name in scheduler.SCHEDULE:
        assert seconds >= 1
        actor = scheduler.find(name)
        assert actor.fn.__code__.co_argcount == 0, f"{name} wants arguments"


def test_every_actor_that_takes_no_argument_has_its_rhythm():
    """Nobody but the clock sends those, so one that it does not know of never runs."""
    known = {name for _seconds, name in scheduler.SCHEDULE}
    for room in ("labeling", "training", "inference"):
        actors = vars(importlib.import_module(f"{room}.actors"))
        alone = {
            f"{room}.actors.{name}"
            for name, actor in actors.items()
            if isinstance(actor, dramatiq.Actor) and actor.fn.__code__.co_argcount == 0
        }
        assert alone <= known


def test_an_actor_is_sent_when_it_is_due_and_not_before(clock):
    start = clock.due[0]
    assert clock.tick(start) == ["test_tick"]
    QueuedMessage.objects.all().delete()
    assert clock.tick(start + 9.9) == []
    assert clock.tick(start + 10) == ["test_tick"]


def test_an_actor_whose_last_message_still_waits_is_not_sent_again(clock):
    start = clock.due[0]
    clock.tick(start)
    assert clock.tick(start + 10) == []
    assert sent() == 1


def test_a_parked_message_does_not_stop_the_clock(clock):
    start = clock.due[0]
    clock.tick(start)
    QueuedMessage.objects.update(state="rejected")
    assert clock.tick(start + 10) == ["test_tick"]


def test_of_two_schedulers_one_sends(clock):
    clock.tick(clock.due[0])
    assert sent() == 1
    seen: list[list[str]] = []

    def other() -> None:
        second = scheduler.Scheduler([(10, f"{__name__}.tick")])
        seen.append(second.tick(second.due[0]))
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [[]]
    assert sent() == 1


def test_a_name_that_is_no_actor_is_refused():
    with pytest.raises(TypeError, match="must be an actor"):
        scheduler.find("config.scheduler.find")
