"""Webhooks against a real receiver: signed, repeated until they arrive, and never sent into our own network."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpcore
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.http import http_date

from labeling import services, webhooks
from labeling.importing import judgments
from labeling.models import Project, Task, Webhook, WebhookDelivery
from tests.labeling.conftest import answer, claim, client, person

pytestmark = pytest.mark.django_db


class Receiver(ThreadingHTTPServer):
    """Keeps what it got, and answers with ``status``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.retry_after = ""
        self.chatter = self.said = 0  # writes of 10 kB below the head of its answer
        self.dribble = 0  # headers that come one by one, each in time


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self.reply()

    def reply(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((dict(self.headers), body))
        self.send_response(server.status)
        for number in range(server.dribble):
            self.send_header(f"X-{number}", "and so on")
            self.flush_headers()
            time.sleep(0.05)
        if not server.chatter:
            self.send_header("Content-Length", "0")
        if server.retry_after:
            self.send_header("Retry-After", server.retry_after)
        self.end_headers()
        for number in range(server.chatter):
            self.wfile.write(b"and so on " * 1000)
            server.said = number

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hook(project: Project, receiver: Receiver) -> Webhook:
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    return services.add_webhook(project=project, user=project.owner, url=url, events=["judgment.created"])


def deliver() -> int:
    return webhooks.deliver_due(backend=httpcore.SyncBackend())


def test_an_answer_is_told_with_a_signature_that_the_receiver_can_check(
    project: Project, worker: User, hook: Webhook, receiver: Receiver
) -> None:
    answer(project, worker)
    assert (deliver(), deliver()) == (1, 0)
    ((headers, body),) = receiver.got
    parts = dict(part.split("=") for part in headers["X-Crowdtune-Signature"].split(","))
    expected = hmac.new(hook.secret.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert parts["v1"] == expected
    told = json.loads(body)
    assert (told["event"], told["project"]) == ("judgment.created", project.slug)
    assert WebhookDelivery.objects.get().state == "delivered"


def test_a_failure_is_tried_again_later_and_given_up_in_the_end(
    project: Project, worker: User, hook: Webhook, receiver: Receiver
) -> None:
    receiver.status = 500
    answer(project, worker)
    waits = timedelta()
    for number in range(len(webhooks.PAUSES)):
        assert deliver() == 0
        waits += WebhookDelivery.objects.get().next_at - timezone.now()
        assert deliver() == 0, "it is not due yet"
        assert WebhookDelivery.objects.get().attempts == number + 1
        WebhookDelivery.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    row = WebhookDelivery.objects.get()
    assert (row.state, row.status_code) == ("failed", 500)
    assert len(receiver.got) == len(webhooks.PAUSES)
    assert waits - timedelta(hours=6) > timedelta(days=1)  # after the last one nothing waits any more


def test_the_receiver_comes_back(project: Project, worker: User, hook: Webhook, receiver: Receiver) -> None:
    receiver.status = 503
    answer(project, worker)
    deliver()
    receiver.status = 204
    answer(project, person("second"))
    assert deliver() == 1
    WebhookDelivery.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    assert deliver() == 1
    first, newer, again = (json.loads(body)["id"] for _headers, body in receiver.got)
    assert first == again < newer  # what a receiver puts them in order by


def test_a_letter_of_before_the_clock_was_set_back_does_not_wait_until_it_has_caught_up(
    project: Project, worker: User, hook: Webhook, receiver: Receiver
) -> None:
    answer(project, worker)
    WebhookDelivery.objects.update(next_at=timezone.now() + timedelta(days=1))
    assert deliver() == 1
    answer(project, person("second"))
    later = timezone.now() + timedelta(hours=1)  # as it is written while the clock is so far ahead
    WebhookDelivery.objects.filter(attempts=0).update(created_at=later, next_at=later)
    assert deliver() == 1


@pytest.mark.parametrize(
    ("status", "asked", "seconds"),
    [
        (429, "3600", 3600),
        (503, "in an hour", 3600),
        (429, "9" * 400, 21_600),
        (429, "1", 10),
        (429, "soon", 10),
        (503, http_date(0), 10),
        (500, "3600", 10),
    ],
)
def test_a_receiver_that_asks_for_patience_is_left_alone_so_long_but_not_for_ever(
    project: Project, hook: Webhook, receiver: Receiver, status: int, asked: str, seconds: int
) -> None:
    project.refresh_from_db()
    receiver.status = status
    receiver.retry_after = http_date(time.time() + 3600) if asked == "in an hour" else asked
    webhooks.emit(project=project, event="judgment.created", payload={})
    assert deliver() == 0
    row = WebhookDelivery.objects.get()
    assert row.state == "waiting"
    assert seconds - 1200 < (row.next_at - timezone.now()).total_seconds() <= seconds


def test_patience_is_asked_for_by_one_letter_and_shown_by_all_that_go_to_the_same_place(
    project: Project, hook: Webhook, receiver: Receiver
) -> None:
    services.add_webhook(project=project, user=project.owner, url=hook.url, events=["job.finished"])
    project.refresh_from_db()
    for event in ("judgment.created", "judgment.created", "job.finished"):
        webhooks.emit(project=project, event=event, payload={})
    receiver.status, receiver.retry_after = 429, "60"
    deliver()
    assert len(receiver.got) == 2  # one letter of each webhook


def test_a_receiver_that_is_away_holds_up_no_other(project: Project, hook: Webhook, receiver: Receiver) -> None:
    away = services.add_webhook(project=project, user=project.owner, url="http://127.0.0.1:9/", events=["job.finished"])
    project.refresh_from_db()
    for _number in range(3):
        webhooks.emit(project=project, event="job.finished", payload={})
    webhooks.emit(project=project, event="judgment.created", payload={})
    assert deliver() == 1
    assert sum(row.attempts for row in WebhookDelivery.objects.filter(webhook=away)) == 1


def test_many_that_hang_do_not_take_the_turn_of_others(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    hook.deliveries.create(event="judgment.created", payload={}, attempts=1)
    Webhook.objects.create(project=hook.project, url=hook.url).deliveries.create(event="job.finished", payload={})
    for seconds, attempts in ((-1.0, 1), (60.0, 2)):
        monkeypatch.setattr(webhooks, "LONG", seconds)
        assert (deliver(), hook.deliveries.get().attempts) == (1, attempts)


def test_who_is_back_has_letters_though_others_have_more_than_a_turn_can_send(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.deliveries.create(event="judgment.created", payload={}, attempts=1)
    busy = Webhook.objects.create(project=hook.project, url=hook.url)
    for _number in range(3):
        busy.deliveries.create(event="job.finished", payload={})
    monkeypatch.setattr(webhooks, "AGAIN", 2)
    assert webhooks.deliver_due(backend=httpcore.SyncBackend(), most=2) == 2
    assert hook.deliveries.get().state == "delivered"


def test_a_webhook_that_is_turned_off_is_told_nothing_until_it_is_on_again(
    project: Project, hook: Webhook, receiver: Receiver
) -> None:
    project.refresh_from_db()
    webhooks.emit(project=project, event="judgment.created", payload={})
    for is_active, arrived in ((False, 0), (True, 1)):
        services.change_webhook(webhook=hook, user=project.owner, is_active=is_active)
        assert deliver() == len(receiver.got) == arrived


def test_an_address_in_another_script_is_called_as_its_host_reads_it(
    project: Project, worker: User, receiver: Receiver
) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/हुक"
    services.add_webhook(project=project, user=project.owner, url=url, events=["judgment.created"])
    answer(project, worker)
    assert deliver() == 1


def test_a_name_and_password_in_the_address_are_sent_as_a_client_sends_them(
    project: Project, worker: User, receiver: Receiver
) -> None:
    url = f"http://ada:p%40ss%20%C3%A4@127.0.0.1:{receiver.server_port}/hook"
    services.add_webhook(project=project, user=project.owner, url=url, events=["judgment.created"])
    answer(project, worker)
    assert deliver() == 1
    headers = receiver.got[0][0]
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "ada:p@ss ä"
    assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"


def test_a_receiver_that_is_slow_holds_up_no_other(
    project: Project, hook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = services.add_webhook(project=project, user=project.owner, url=hook.url, events=["job.finished"])
    project.refresh_from_db()
    for _number in range(5):
        webhooks.emit(project=project, event="job.finished", payload={})
    webhooks.emit(project=project, event="judgment.created", payload={})
    monkeypatch.setattr(webhooks, "TURN", 0.0)
    assert deliver() == 2, "one letter of each"
    assert WebhookDelivery.objects.filter(webhook=slow, state="delivered").count() == 1
    assert WebhookDelivery.objects.get(webhook=hook).state == "delivered"


def test_who_has_very_many_letters_holds_up_no_other(
    project: Project, hook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add_webhook(project=project, user=project.owner, url=hook.url, events=["job.finished"])
    project.refresh_from_db()
    webhooks.emit(project=project, event="job.finished", payloads=[{} for _letter in range(8)])
    webhooks.emit(project=project, event="judgment.created", payload={})
    monkeypatch.setattr(webhooks, "SHARE", 2)
    assert deliver() == 9, "all the same"
    told = [headers["X-Crowdtune-Event"] for headers, _body in receiver.got]
    assert told.index("judgment.created") == 2


def test_an_address_in_our_own_network_is_never_called(
    project: Project, worker: User, hook: Webhook, receiver: Receiver
) -> None:
    answer(project, worker)
    assert webhooks.deliver_due() == 0
    assert receiver.got == []
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts) == ("failed", 1)
    assert "public" in row.error


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("http://10.0.0.1/", True), ("http://[::ffff:10.0.0.1]/", True), ("https://[::1]/", True),
        ("http://localhost:9000/", True), ("http://hooks.localhost./", True), ("http://127.0.0.2:9000/", False),
        ("http://127.0.0.2:9001/", True), ("https://1.1.1.1/", False), ("https://a.name.that.nobody.looks.up/", False),
    ],
)  # fmt: skip
def test_an_address_that_is_refused_at_sight_is_told_of_at_once(
    project: Project, settings: Any, url: str, is_refused: bool
) -> None:
    settings.FETCH_HOSTS = [(ipaddress.ip_network("127.0.0.2"), 9000)]
    made = client(project.owner).post(f"/api/v1/projects/{project.slug}/webhooks/", {"url": url})
    assert made.status_code == 201
    assert ("FETCH_HOSTS" in made.json()["refused_because"]) == is_refused
    assert bool(made.json()["refused_because"]) == is_refused


def test_an_address_in_our_own_network_that_is_allowed_is_called(
    project: Project, worker: User, hook: Webhook, receiver: Receiver, settings: Any
) -> None:
    settings.FETCH_HOSTS = [(ipaddress.ip_network("127.0.0.1"), None)]
    answer(project, worker)
    assert webhooks.deliver_due() == 1
    assert len(receiver.got) == 1


def test_events_that_nobody_asked_for_are_not_told(project: Project, hook: Webhook) -> None:
    project.refresh_from_db()
    assert webhooks.emit(project=project, event="something.else", payload={}) == 0


def test_a_withdrawn_transaction_tells_nothing(project: Project, hook: Webhook) -> None:
    """The delivery is a row of the same transaction; nothing is sent before it is committed."""
    services.remove_webhook(webhook=hook, user=project.owner)
    project.refresh_from_db()
    assert project.webhook_count == 0
    assert webhooks.emit(project=project, event="judgment.created", payload={}) == 0


def test_an_answer_without_end_is_not_listened_to(
    project: Project, worker: User, hook: Webhook, receiver: Receiver
) -> None:
    receiver.chatter = 20_000
    answer(project, worker)
    assert deliver() == 1
    assert receiver.said < 10_000  # what fits into the buffers between the two


def test_a_receiver_that_speaks_slowly_holds_nobody_for_longer_than_one_that_is_silent(
    project: Project, worker: User, hook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "SECONDS", 0.3)
    receiver.dribble = 40
    answer(project, worker)
    assert deliver() == 0
    assert "longer than" in WebhookDelivery.objects.get().error


def test_a_task_that_a_known_answer_or_a_file_of_answers_retires_is_told_too(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(name="Told", images=3, judgments_min=1, judgments_max=1)
    services.add_webhook(project=project, url="https://example.com/", events=["task.retired"], user=project.owner)
    project.refresh_from_db()
    known, answered, _open = Task.objects.filter(project=project).select_related("image").order_by("pk")
    for _again in range(2):
        services.set_gold(task=known, answers="cat", user=project.owner)
    worker = judgments.workers(project, {"museum"})["museum"]
    for _again in range(2):
        answers = {(task.image_id, worker): {"category": "cat"} for task in (known, answered)}
        judgments.store(
            project, answers, dict.fromkeys(answers), {task.image_id: task.image for task in (known, answered)}
        )
    told = [(row.payload["task"], row.payload["because"]) for row in WebhookDelivery.objects.order_by("id")]
    assert told == [(known.pk, "gold"), (answered.pk, "maximum")]


def test_a_task_is_told_to_be_retired_once_and_also_by_the_end_of_the_budget(
    project: Project, worker: User, run_actors: Callable[[], int]
) -> None:
    services.change_project(
        project=project, user=project.owner, judgments_min=1, judgments_max=1, price_per_judgment="0.10", budget="0.20"
    )
    Task.objects.filter(project=project).update(wanted=2, open_slots=2)
    services.add_webhook(project=project, url="https://example.com/", events=["task.retired"], user=project.owner)
    project.refresh_from_db()
    late = claim(project, worker)
    Task.objects.exclude(pk=late.task_id).update(priority=-1)
    first = claim(project, project.owner)
    for lease, who in ((first, project.owner), (late, worker)):
        services.submit_judgment(assignment_id=lease.pk, worker=who, answers={"category": "cat"})
    run_actors()
    assert not Task.objects.filter(project=project, state="open").exists()
    told = [row.payload["task"] for row in WebhookDelivery.objects.filter(event="task.retired")]
    assert sorted(told) == sorted(Task.objects.filter(project=project).values_list("pk", flat=True))


def test_a_webhook_that_is_removed_while_it_is_told_holds_up_no_other(
    project: Project, hook: Webhook, receiver: Receiver
) -> None:
    class Removing(httpcore.SyncBackend):
        def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
            Webhook.objects.filter(pk=hook.pk).delete()
            return super().connect_tcp(*arguments, **options)

    services.add_webhook(project=project, user=project.owner, url=hook.url, events=["task.retired"])
    project.refresh_from_db()
    for event in ("judgment.created", "task.retired"):
        webhooks.emit(project=project, event=event, payload={})
    assert webhooks.deliver_due(backend=Removing()) == 2
    assert [row.state for row in WebhookDelivery.objects.all()] == ["delivered"]


def test_the_next_letter_is_found_however_many_have_been_delivered(project: Project, hook: Webhook) -> None:
    delivered = {"webhook": hook, "event": "judgment.created", "payload": {}, "state": webhooks.State.DELIVERED}
    WebhookDelivery.objects.bulk_create(WebhookDelivery(**delivered) for _letter in range(5000))
    project.refresh_from_db()
    webhooks.emit(project=project, event="judgment.created", payload={})

    with CaptureQueriesContext(connection) as asked:
        assert deliver() == 1

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE labeling_webhookdelivery")
        cursor.execute("EXPLAIN " + next(query["sql"] for query in asked if "FOR UPDATE" in query["sql"]))
        assert "webhook_waiting" in str(cursor.fetchall())
