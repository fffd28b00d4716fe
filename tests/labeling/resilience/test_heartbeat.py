"""A heart goes on after a missed beat, and stops when another process has taken over."""

from __future__ import annotations

import threading

import pytest
from django.db import InterfaceError, OperationalError

from labeling.resilience.heartbeat import beating
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("failure", [OperationalError, InterfaceError])
def test_a_beat_that_fails_for_the_database_s_sake_is_not_the_last(failure):
    beats: list[int] = []
    third = threading.Event()

    def beat() -> bool:
        beats.append(len(beats))
        if len(beats) == 1:
            raise failure("the server was restarted")
        if len(beats) == 3:
            third.set()
        return True

    with beating("a test", beat, every=0.01):
        assert third.wait(30)


def hearts() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "heartbeat of a test"]


def test_it_stops_when_another_has_taken_over_and_when_the_work_is_done():
    beats: list[str] = []

    def taken_over() -> bool:
        beats.append("taken over")
        return False

    with beating("a test", taken_over, every=0.01):
        until(lambda: beats and not hearts(), "it stops by itself", 30)
    assert beats == ["taken over"]
    with beating("a test", lambda: True, every=0.01):
        (heart,) = hearts()
    assert not heart.is_alive()
