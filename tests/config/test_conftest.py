"""The tests' own ground: a test that leans on these fixtures must be able to trust them."""

from __future__ import annotations

import os
from pathlib import Path

import dramatiq
import pytest

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


def test_each_worker_has_a_folder_of_its_own_and_child_processes_hear_of_it(settings):
    assert Path(os.environ["DATA_DIR"]) == settings.DATA_DIR
    assert settings.DATA_DIR.name == os.environ.get("PYTEST_XDIST_WORKER", "main")
