"""The command that works messages off."""

from __future__ import annotations

import dramatiq
import pytest
from django.core.management import CommandError, call_command
from django.utils.module_loading import autodiscover_modules

from config.management.commands import worker


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--queues", "cpus"], "choose from"),
        (["--threads", "0"], "from 1 on"),
        (["--threads", "x"], "from 1 on"),
    ],
)
def test_what_would_wait_for_ever_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("worker", *words)


def test_it_may_listen_to_every_queue_that_work_is_sent_to() -> None:
    autodiscover_modules("actors")
    broker = dramatiq.get_broker()
    assert {broker.get_actor(name).queue_name for name in broker.get_declared_actors()} <= set(worker.QUEUES)
