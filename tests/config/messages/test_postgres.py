"""The queue on PostgreSQL: what commits together, what a dead worker leaves, what is parked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.db import connection, transaction
from django.utils import timezone

from config import broker as wiring
from config.messages.postgres import PostgresBroker, PostgresConsumer
from config.models import QueuedMessage, QueueWorker
from tests.processes import until

State = QueuedMessage.State


@pytest.fixture
def broker() -> Iterator[PostgresBroker]:
    """A worker's broker on the test's database, with short waits."""
    made = wiring.build("")
    assert isinstance(made, PostgresBroker)
    made.poll_interval = 0.05
    made.maintenance_interval = 0.05
    yield made
    made.notifier.stop()
    made.pool.close()


def message(name: str = "note", *arguments: Any, queue: str = "cpu") -> dramatiq.Message[Any]:
    return dramatiq.Message(queue_name=queue, actor_name=name, args=arguments, kwargs={}, options={})


def claim(consumer: PostgresConsumer) -> Any:
    for _ in range(40):
        taken = next(consumer)
        if taken is not None:
            return taken
    raise AssertionError("nothing to claim")


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_a_rollback_takes_the_message_with_it(self, broker):
        with transaction.atomic():
            broker.enqueue(message())
            assert QueuedMessage.objects.count() == 1
            transaction.set_rollback(True)
        assert not QueuedMessage.objects.exists()

    def test_a_commit_brings_it(self, broker):
        with transaction.atomic():
            broker.enqueue(message("note", 7))
        row = QueuedMessage.objects.get()
        assert (row.state, row.queue_name, row.message["args"], row.deliveries) == (State.QUEUED, "cpu", [7], 0)

    def test_nobody_sees_it_before_the_commit(self, broker):
        consumer = broker.consume("cpu", prefetch=1)
        with transaction.atomic():
            broker.enqueue(message())
            consumer.claim(1)
            assert consumer.buffer == []
        consumer.claim(1)
        assert len(consumer.buffer) == 1
        consumer.close()

    def test_a_rolled_back_savepoint_takes_only_its_own(self, broker):
        with transaction.atomic():
            broker.enqueue(message("kept"))
            with transaction.atomic():
                broker.enqueue(message("lost"))
                transaction.set_rollback(True)
        assert [row.message["actor_name"] for row in QueuedMessage.objects.all()] == ["kept"]

    def test_an_actor_s_send_uses_the_installed_broker_in_the_same_way(self):
        assert isinstance(dramatiq.get_broker(), PostgresBroker)

    def test_a_connection_that_the_server_closed_is_replaced_outside_a_transaction(self, broker):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        stop = threading.Thread(target=_terminate, args=[pid])
        stop.start()
        stop.join()
        broker.enqueue(message())
        assert QueuedMessage.objects.count() == 1


def _terminate(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    connection.close()


@pytest.mark.django_db(transaction=True)
class TestDelivery:
    def test_messages_come_in_order_and_an_acknowledged_one_is_gone(self, broker):
        for number in range(3):
            broker.enqueue(message("note", number))
        consumer = broker.consume("cpu", prefetch=3)
        taken = [claim(consumer) for _ in range(3)]
        assert [one.args for one in taken] == [(0,), (1,), (2,)]
        for one in taken:
            consumer.ack(one)
        assert not QueuedMessage.objects.exists()
        consumer.close()

    def test_a_delayed_message_waits(self, broker):
        broker.enqueue(message(), delay=60_000)
        consumer = broker.consume("cpu.DQ", prefetch=1)
        consumer.claim(1)
        assert consumer.buffer == []
        consumer.close()

    def test_a_rejected_message_is_kept_with_its_reason(self, broker):
        broker.enqueue(message())
        consumer = broker.consume("cpu", prefetch=1)
        taken = claim(consumer)
        taken.options["traceback"] = "Traceback …\nValueError: no such image\n"
        consumer.nack(taken)
        row = QueuedMessage.objects.get()
        assert (row.state, row.reason) == (State.REJECTED, "ValueError: no such image")
        consumer.close()

    def test_what_was_claimed_but_not_begun_goes_back_uncounted(self, broker):
        broker.enqueue(message())
        consumer = broker.consume("cpu", prefetch=1)
        consumer.claim(1)
        consumer.close()
        row = QueuedMessage.objects.get()
        assert (row.state, row.deliveries) == (State.QUEUED, 0)

    def test_the_messages_of_a_dead_worker_are_given_to_a_living_one(self, broker):
        broker.enqueue(message())
        dead = broker.consume("cpu", prefetch=1)
        claim(dead)
        QueueWorker.objects.all().delete()  # as if its heartbeats had stopped
        other = PostgresBroker(middleware=wiring.middleware())
        other.poll_interval = other.maintenance_interval = 0.05
        consumer = other.consume("cpu", prefetch=1)
        consumer.ack(claim(consumer))
        assert not QueuedMessage.objects.exists()
        consumer.close()
        other.notifier.stop()
        other.pool.close()

    def test_a_clock_that_was_set_back_delays_no_message_but_those_that_were_to_wait(self, broker):
        ahead = timezone.now() + timedelta(hours=2)
        broker.enqueue(message("held"))
        dead = broker.consume("cpu", prefetch=1)
        claim(dead)
        QueueWorker.objects.update(heartbeat_at=ahead)
        broker.enqueue(message("waits"))
        broker.enqueue(message("is to wait"), delay=2 * 3600 * 1000)
        QueuedMessage.objects.filter(state=State.QUEUED).update(available_at=ahead)
        time.sleep(0.1)
        with broker.pool.connection() as maintained:
            broker.maybe_maintenance(maintained)
        due = QueuedMessage.objects.filter(state=State.QUEUED, available_at__lte=timezone.now())
        assert set(due.values_list("message__actor_name", flat=True)) == {"held", "waits"}

    def test_a_message_that_kills_its_workers_is_parked_after_the_limit(self, broker):
        broker.enqueue(message("poison"))
        consumer = broker.consume("cpu", prefetch=1)
        for _ in range(broker.delivery_limit):
            consumer.claim(1)
            assert consumer.buffer.pop().actor_name == "poison"
            QueuedMessage.objects.update(state=State.QUEUED, worker_id=None)  # its worker died, and it was reaped
        consumer.claim(1)
        assert consumer.buffer == []
        row = QueuedMessage.objects.get()
        assert row.state == State.REJECTED
        assert "died at each of 5 deliveries" in row.reason
        consumer.close()

    def test_from_the_second_death_on_the_redelivery_waits_a_while(self, broker):
        broker.enqueue(message())
        QueuedMessage.objects.update(state=State.CONSUMED, deliveries=4, worker_id="0" * 32)
        consumer = broker.consume("other", prefetch=1)
        next(consumer)
        row = QueuedMessage.objects.get()
        assert row.state == State.QUEUED
        assert row.available_at > row.mtime
        consumer.close()

    def test_claims_and_acknowledgements_do_not_wait_for_the_disk_but_rejections_do(self, broker, recorded_waits):
        broker.pool.kwargs["options"] = "-c synchronous_commit=on"
        consumer = broker.consume("cpu", prefetch=2)
        for _ in range(2):
            broker.enqueue(message())
        consumer.claim(2)
        done, failed = claim(consumer), claim(consumer)
        consumer.ack(done)
        consumer.nack(failed)
        consumer.close()
        assert recorded_waits() == [
            ("queued", "consumed", "off"),
            ("queued", "consumed", "off"),
            ("consumed", None, "off"),
            ("consumed", "rejected", "on"),
        ]


@pytest.fixture
def recorded_waits(transactional_db) -> Iterator[Callable[[], list[Any]]]:
    """For every change of a queue's row: its state before and after, and whether the commit waits for the disk."""
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE TABLE waits (id serial, before text, after text, synchronous_commit text);
            CREATE FUNCTION record_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO waits (before, after, synchronous_commit)
                VALUES (OLD.state, NEW.state, current_setting('synchronous_commit'));
                RETURN NULL;
            END $$;
            CREATE TRIGGER record_wait AFTER UPDATE OR DELETE ON dramatiq_queue
                FOR EACH ROW EXECUTE FUNCTION record_wait();
        """)

    def read() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT before, after, synchronous_commit FROM waits ORDER BY id")
            return list(cursor.fetchall())

    yield read
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER record_wait ON dramatiq_queue; DROP FUNCTION record_wait; DROP TABLE waits")


@pytest.mark.django_db(transaction=True)
class TestAWorker:
    def test_works_off_messages_and_tries_a_failed_one_again(self, broker):
        tries: list[int] = []

        @dramatiq.actor(broker=broker, queue_name="cpu", max_retries=3, min_backoff=50, max_backoff=50)
        def stumble(number):
            tries.append(number)
            if len(tries) < 3:
                raise ValueError("not yet")

        stumble.send(5)
        worker = dramatiq.Worker(broker, queues={"cpu"}, worker_threads=2, worker_timeout=50)
        worker.start()
        try:
            until(lambda: len(tries) == 3)
            until(lambda: not QueuedMessage.objects.exists())
        finally:
            worker.stop(timeout=60_000)
        assert tries == [5, 5, 5]

    def test_parks_a_message_that_fails_for_good(self, broker):
        @dramatiq.actor(broker=broker, queue_name="cpu", max_retries=0)
        def fail():
            raise ValueError("never")

        fail.send()
        worker = dramatiq.Worker(broker, queues={"cpu"}, worker_threads=1, worker_timeout=50)
        worker.start()
        try:
            until(lambda: QueuedMessage.objects.filter(state=State.REJECTED).exists())
        finally:
            worker.stop(timeout=60_000)
        assert QueuedMessage.objects.get().reason == "ValueError: never"

    def test_parks_a_message_for_an_actor_that_does_not_exist(self, broker):
        broker.declare_queue("cpu")
        broker.enqueue(message("nobody"))
        worker = dramatiq.Worker(broker, queues={"cpu"}, worker_threads=1, worker_timeout=50)
        worker.start()
        try:
            until(lambda: QueuedMessage.objects.filter(state=State.REJECTED).exists())
        finally:
            worker.stop(timeout=60_000)
        assert QueuedMessage.objects.get().message["actor_name"] == "nobody"

    def test_that_leaves_is_forgotten(self, broker):
        consumer = broker.consume("cpu", prefetch=1)
        next(consumer)
        assert QueueWorker.objects.count() == 1
        broker.leave()
        assert not QueueWorker.objects.exists()
        consumer.close()
