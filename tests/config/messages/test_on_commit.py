"""RabbitMQ and Redis, real servers both: the same promises as the default queue, but for one transaction."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import dramatiq
import pika
import pytest
from django.db import connection, transaction
from django.utils import timezone
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionFailed

from config import broker as wiring
from config import health, scheduler
from config.env import EnvError
from config.messages import on_commit, postgres, rabbitmq, redis
from config.models import QueuedMessage
from tests.processes import until

pytestmark = [pytest.mark.brokers, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["redis_url", "rabbitmq_url"])
def broker(request: pytest.FixtureRequest) -> Iterator[dramatiq.Broker]:
    made = wiring.build(request.getfixturevalue(request.param))
    yield made
    made.close()


@pytest.fixture
def seen(broker: dramatiq.Broker) -> Iterator[Any]:
    """An actor that notes its argument; a worker runs until the test ends."""

    class Seen:
        numbers: list[int] = []
        note: Any = None

    seen = Seen()
    seen.numbers = []

    @dramatiq.actor(broker=broker, queue_name="cpu", actor_name="note", max_retries=2, min_backoff=10, max_backoff=10)
    def note(number):
        seen.numbers.append(number)
        if number < 0 and seen.numbers.count(number) < 2:
            raise ValueError("not yet")

    worker = dramatiq.Worker(broker, queues={"cpu"}, worker_threads=1, worker_timeout=50)
    worker.start()
    seen.note = note
    yield seen
    worker.stop(timeout=60_000)
    broker.flush_all()


def test_a_message_sent_outside_a_transaction_arrives(seen):
    seen.note.send(1)
    until(lambda: bool(seen.numbers))
    assert seen.numbers == [1]


def test_a_rollback_sends_nothing_and_a_commit_sends(seen):
    with transaction.atomic():
        seen.note.send(1)
        transaction.set_rollback(True)
    with transaction.atomic():
        seen.note.send(2)
        time.sleep(0.3)  # long enough for a worker to have taken it, had it left already
        assert seen.numbers == []
    until(lambda: bool(seen.numbers))
    assert seen.numbers == [2]


def test_a_failed_message_is_tried_again(seen):
    seen.note.send(-1)
    until(lambda: seen.numbers == [-1, -1])


@pytest.fixture
def installed(broker, settings):
    """The broker as the platform's own, for as long as the test takes."""
    before = dramatiq.get_broker()
    dramatiq.set_broker(broker)
    settings.BROKER_URL = "set"
    yield broker
    dramatiq.set_broker(before)


def test_readiness_asks_the_broker_and_minds_no_connection_that_was_closed_meanwhile(installed):
    assert health.queue_lately.outcome() == "ok"
    if isinstance(installed, rabbitmq.RabbitmqBroker):
        assert not installed.connections
        installed.connection.close()
    assert health.queue_lately.outcome() == "ok"


def test_readiness_tells_of_a_broker_that_is_away(settings):
    before = dramatiq.get_broker()
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    dramatiq.set_broker(wiring.build(settings.BROKER_URL))
    try:
        assert health._outcome("queue", health.queue) == "failed (ConnectionError); the log says more"
    finally:
        dramatiq.set_broker(before)


AWAY = ["redis://127.0.0.1:1/0", "amqp://guest:guest@127.0.0.1:1/"]


@pytest.fixture
def away(request, settings):
    """A broker that does not answer, as the platform's own."""
    before, settings.BROKER_URL = dramatiq.get_broker(), request.param
    dramatiq.set_broker(wiring.build(request.param))
    yield dramatiq.get_broker()
    dramatiq.set_broker(before)


@pytest.mark.parametrize("away", AWAY, indirect=True)
def test_what_was_committed_stands_though_the_broker_is_away(away):
    @dramatiq.actor(broker=away, queue_name="cpu", actor_name="unsent")
    def unsent():
        pass

    told: list[str] = []
    with transaction.atomic():
        unsent.send()
        transaction.on_commit(lambda: told.append("the rest of the commit"))
    assert told == ["the rest of the commit"]


@pytest.mark.parametrize("away", AWAY, indirect=True)
def test_the_clock_goes_on_while_the_broker_is_away(away, caplog):
    @dramatiq.actor(broker=away, queue_name="cpu", actor_name="clockwork")
    def clockwork():
        pass

    clock = scheduler.Scheduler([])
    clock.entries, clock.due = [(3600, clockwork)], [0.0]
    stop = threading.Event()

    def lead() -> None:
        clock.run(stop)
        with connection.cursor() as cursor:  # the thread's session may outlive it, and this is the leader's lock
            cursor.execute("SELECT pg_advisory_unlock_all()")
        connection.close()

    running = threading.Thread(target=lead)
    running.start()
    until(lambda: "does not answer" in caplog.text)
    assert running.is_alive()
    stop.set()
    running.join()
    assert clock.due == [0.0]  # it is sent as soon as that can be


def test_readiness_waits_for_a_broker_that_hangs_no_longer_than_for_others(settings, monkeypatch):
    before = dramatiq.get_broker()
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        settings.BROKER_URL = f"amqp://guest:guest@127.0.0.1:{hanging.getsockname()[1]}/?stack_timeout=3"
        dramatiq.set_broker(wiring.build(settings.BROKER_URL))
        monkeypatch.setattr(health, "PATIENCE", 0.1)
        try:
            assert health.queue_lately.outcome() == "has not answered for 0 seconds"
            monkeypatch.setattr(health, "PATIENCE", 30)
            assert health.queue_lately.outcome().startswith("failed (")
        finally:
            dramatiq.set_broker(before)


def test_readiness_tells_of_a_broker_that_answers_and_takes_nothing(installed):
    postgres.write(dramatiq.Message(queue_name="cpu", actor_name="note", args=(15,), kwargs={}, options={}))
    health.queue()
    QueuedMessage.objects.update(available_at=timezone.now() - health.WAITING * 2)
    with pytest.raises(health.NotReady, match="takes no messages"):
        health.queue()


def numbered(broker: dramatiq.Broker) -> Any:
    """An actor that is only sent."""

    @dramatiq.actor(broker=broker, queue_name="cpu", actor_name="note")
    def note(number):
        raise AssertionError("nobody works here")

    return note


@pytest.mark.parametrize("away", AWAY, indirect=True)
def test_what_a_broker_that_is_away_does_not_take_is_sent_on_at_its_return(away, seen, broker):
    with transaction.atomic():
        numbered(away).send(11)
    assert list(QueuedMessage.objects.values_list("message__actor_name", "message__args")) == [("note", [11])]
    with pytest.raises(ConnectionFailed):
        on_commit.send_on(away)
    assert QueuedMessage.objects.count() == 1
    assert on_commit.send_on(broker) == 1
    until(lambda: seen.numbers == [11])
    assert not QueuedMessage.objects.exists()


def test_the_clock_sends_on_what_waits(installed, seen):
    postgres.write(dramatiq.Message(queue_name="cpu", actor_name="note", args=(12,), kwargs={}, options={}))
    clock = scheduler.Scheduler([])
    assert clock.tick(0.0) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
    until(lambda: seen.numbers == [12])


def test_what_is_due_later_waits_for_its_time_though_the_broker_is_back(broker):
    postgres.write(dramatiq.Message(queue_name="cpu", actor_name="note", args=(13,), kwargs={}, options={}), 60_000)
    assert on_commit.send_on(broker) == 0


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:%d/0?socket_timeout=0.1", "amqp://a:b@127.0.0.1:%d/?stack_timeout=0.1"]
)
def test_a_broker_that_hangs_is_waited_for_by_one_and_left_alone_by_the_next(url):
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        broker = wiring.build(url % hanging.getsockname()[1])
        note = numbered(broker)
        note.send(1)
        hanging.accept()[0].close()
        note.send(2)
        hanging.settimeout(0.01)
        with pytest.raises(TimeoutError):
            hanging.accept()
    assert QueuedMessage.objects.count() == 2


def test_a_broker_that_hangs_is_waited_for_by_few_threads_at_once(monkeypatch):
    monkeypatch.setattr(on_commit, "TRYING", threading.Semaphore(0))
    monkeypatch.setattr(on_commit, "TURN_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        numbered(wiring.build(f"redis://127.0.0.1:{hanging.getsockname()[1]}/0")).send(1)
        hanging.settimeout(0.01)
        with pytest.raises(TimeoutError):
            hanging.accept()
    assert QueuedMessage.objects.count() == 1


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_whose_name_is_unknown_as_a_stopped_containers_is_as_one_that_is_away(scheme):
    numbered(wiring.build(f"{scheme}://broker.invalid/")).send(1)
    assert QueuedMessage.objects.count() == 1


def test_what_failed_and_is_to_be_tried_again_before_the_sender_is_done_is_kept():
    class Quick(on_commit.OnCommit, StubBroker):
        def _hand_over(self, message, delay):
            return postgres.write(message)  # as a worker does whose broker is away again

    postgres.write(dramatiq.Message(queue_name="cpu", actor_name="note", args=(14,), kwargs={}, options={}))
    assert on_commit.send_on(Quick()) == 1
    assert QueuedMessage.objects.count() == 1


@pytest.mark.parametrize("broker", ["redis_url"], indirect=True)
def test_a_redis_that_is_full_is_as_one_that_is_away(broker):
    broker.client.config_set("maxmemory", 1)
    try:
        numbered(broker).send(3)
    finally:
        broker.client.config_set("maxmemory", 0)
    assert QueuedMessage.objects.count() == 1


def test_a_rabbitmq_that_is_full_or_hangs_holds_a_request_up_for_seconds_only():
    asked = wiring.build("amqp://guest:guest@127.0.0.1:1/%2F?heartbeat=40").parameters
    assert (asked.blocked_connection_timeout, asked.stack_timeout, asked.virtual_host) == (2, 3, "/")
    assert asked.heartbeat == 40, "what the address says holds"


def test_a_rabbitmq_that_is_away_is_told_of_by_who_asked_it_and_not_by_its_library(caplog):
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        _none = wiring.build(AWAY[1]).connection
    assert not [record for record in caplog.records if record.name.startswith("pika")]


def test_rabbitmq_confirms_each_message_and_waits_a_day_for_a_training(rabbitmq_url):
    broker = wiring.build(rabbitmq_url)
    assert isinstance(broker, rabbitmq.RabbitmqBroker)
    assert broker.confirm_delivery
    assert broker._build_queue_arguments("gpu")["x-consumer-timeout"] == 86_400_000
    broker.close()


def test_redis_looks_for_dead_workers_often(redis_url):
    broker = wiring.build(redis_url)
    assert isinstance(broker, redis.RedisBroker)
    assert (broker.maintenance_chance, broker.heartbeat_timeout) == (100_000, 15_000)
    broker.close()


def dead_letters(broker: dramatiq.Broker) -> list[dramatiq.Message[Any]]:
    """What lies among the queue cpu's dead letters."""
    if isinstance(broker, redis.RedisBroker):
        return [dramatiq.Message.decode(data) for data in broker.client.hvals("dramatiq:cpu.XQ.msgs")]
    _, _, data = broker.channel.basic_get("cpu.XQ", auto_ack=True)
    return [dramatiq.Message.decode(data)] if data else []


def taken_to_the_grave(broker: dramatiq.Broker) -> None:
    """A worker takes the next message of the queue cpu, begins it and dies."""
    if isinstance(broker, redis.RedisBroker):
        (data,) = broker.client.hvals("dramatiq:cpu.msgs")
        broker.emit_before("process_message", dramatiq.Message.decode(data))
        return
    worker = pika.BlockingConnection(broker.parameters)
    channel = worker.channel()

    def taken() -> bool:
        return channel.basic_get("cpu")[0] is not None

    until(taken)
    worker.close()


def test_a_message_that_kills_its_workers_is_parked_after_the_limit(broker):
    calls: list[str] = []

    @dramatiq.actor(broker=broker, queue_name="cpu", actor_name="poison", max_retries=2)
    def poison(text):
        calls.append(text)

    poison.send("a")
    limit = redis.DELIVERY_LIMIT if isinstance(broker, redis.RedisBroker) else rabbitmq.DELIVERY_LIMIT + 1
    for _ in range(limit):
        taken_to_the_grave(broker)
    poison.send("b")
    worker = dramatiq.Worker(broker, queues={"cpu"}, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        until(lambda: calls == ["b"])
        parked: list[dramatiq.Message[Any]] = []

        def arrived() -> bool:
            parked.extend(dead_letters(broker))
            return bool(parked)

        until(arrived)
        assert [message.args for message in parked] == [("a",)]
        assert calls == ["b"]
    finally:
        worker.stop(timeout=60_000)
        broker.flush_all()


@pytest.mark.parametrize("broker", ["redis_url"], indirect=True)
def test_a_redis_message_that_was_answered_leaves_no_count(seen, broker):
    seen.note.send(-7)
    until(lambda: seen.numbers == [-7, -7])
    until(lambda: not broker.client.keys("crowdtune:deliveries:*"))


def test_an_address_of_another_kind_is_refused_with_what_is_expected():
    with pytest.raises(EnvError, match=r"amqp:// or redis://.*'kafka'"):
        wiring.build("kafka://localhost")
