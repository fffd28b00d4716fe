"""The tests' own ground: a test that leans on these fixtures must be able to trust them."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dramatiq
import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

from config.models import QueuedMessage

ran: list[int] = []


@pytest.fixture
def countdown():
    """An actor that sends itself again until zero."""

    @dramatiq.actor(actor_name="test_countdown", queue_name="cpu", max_retries=0)
    def countdown(number):
        ran.append(number)
        if number > 0:
            countdown.send(number - 1)

    ran.clear()
    yield countdown
    del dramatiq.get_broker().actors["test_countdown"]


def test_run_actors_works_off_what_actors_send_too(countdown, run_actors):
    countdown.send(2)
    assert run_actors() == 3
    assert ran == [2, 1, 0]
    assert run_actors() == 0


def test_run_actors_works_off_delayed_messages(countdown, run_actors):
    countdown.send_with_options(args=(0,), delay=3_600_000)
    assert run_actors() == 1
    assert ran == [0]


def test_run_actors_raises_what_the_actor_raises(countdown, run_actors):
    countdown.send("not a number")
    with pytest.raises(TypeError):
        run_actors()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_with_real_commits_leaves_no_message_behind(countdown, turn):
    assert not QueuedMessage.objects.exists()
    countdown.send(turn)
    assert QueuedMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_still_writes_as_a_test_ends_is_waited_for_whatever_table_comes_next():
    first, *_, last = (name for name in connection.introspection.django_table_names() if "labeling" in name)
    reading = threading.Event()

    def request() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT FROM {last}")
                reading.set()
                time.sleep(1)
                cursor.execute(f"SELECT FROM {first}")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as others:
        requesting = others.submit(request)
        assert reading.wait(30)
        TransactionTestCase._fixture_teardown(None)
        requesting.result()


@pytest.mark.django_db(transaction=True)
def test_who_keeps_an_advisory_lock_beyond_its_test_fails_there_and_not_in_another():
    def keep() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(7, 8)")

    def give_back() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
        connection.close()

    with ThreadPoolExecutor(1) as another:
        for session in (another, None):
            session.submit(keep).result() if session else keep()
            with pytest.raises(AssertionError, match=r"advisory locks that this one keeps: \[\(7, 8\)\]"):
                TransactionTestCase._fixture_teardown(None)
            session.submit(give_back).result() if session else give_back()
    TransactionTestCase._fixture_teardown(None)


def test_each_worker_has_a_folder_of_its_own_and_child_processes_hear_of_it(settings):
    assert Path(os.environ["DATA_DIR"]) == settings.DATA_DIR
    assert settings.DATA_DIR.name == os.environ.get("PYTEST_XDIST_WORKER", "main")
