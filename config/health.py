"""Whether the platform lives (``/healthz``) and can do its work (``/readyz``), for people, supervisors and balancers.

``/healthz`` touches nothing: a process that answers is alive, and killing it would not mend its database. ``/readyz``
tries each part that a request may need, and answers 503 with what is wrong. Who asks each second makes us ask the
database and the queue; the storage, whose every try is written, and the files of all champions are found well for GOOD
seconds.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta

import dramatiq
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from config.models import QueuedMessage
from labeling.errors import FORBIDDEN
from labeling.resilience import outages
from training.models import ModelVersion

PATIENCE = 5.0  # seconds
GOOD = 10.0  # seconds
WAITING = timedelta(seconds=15)  # for a broker that is well the scheduler sends within one
logger = logging.getLogger(__name__)


class NotReady(Exception):
    """A part does not do its work; the message is for whoever asked."""


def database() -> None:
    """A query is answered, and soon: one that is frozen, or behind a network that is gone, would be waited for."""
    with connection.cursor() as cursor, hung_up_after(PATIENCE, connection.connection.pgconn.socket):
        cursor.execute("SELECT 1")


@contextlib.contextmanager
def hung_up_after(seconds: float, line: int) -> Iterator[None]:
    """Whoever waits at this socket for longer than that finds it closed."""

    def hang_up() -> None:
        with contextlib.suppress(OSError):  # the other side was quicker
            end.shutdown(socket.SHUT_RDWR)

    with socket.socket(fileno=os.dup(line)) as end:
        timer = threading.Timer(seconds, hang_up)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def queue() -> None:
    """A message could be sent now, and those that the broker did not take before have left since."""
    broker = dramatiq.get_broker()
    if not settings.BROKER_URL:
        QueuedMessage.objects.exists()
    elif hasattr(broker, "client"):
        broker.client.ping()
    else:
        try:
            broker.connection.process_data_events()  # type: ignore[attr-defined]
        finally:  # it is this thread's alone, which ends
            del broker.connection  # type: ignore[attr-defined]
    waiting = QueuedMessage.objects.filter(state=QueuedMessage.State.QUEUED)
    if settings.BROKER_URL and waiting.filter(available_at__lt=timezone.now() - WAITING).exists():
        raise NotReady("The broker answers but takes no messages, as one that is full: they wait in the database.")


def storage() -> None:
    """What is written can be read, found in its folder, and removed again."""
    word = secrets.token_hex(8).encode()
    name = f"health/{secrets.token_hex(8)}"
    try:
        name = default_storage.save(name, ContentFile(word))
        with default_storage.open(name) as file:
            if file.read() != word:
                raise NotReady("What was written is not what can be read.")
        if not default_storage.listdir("health")[1]:
            raise NotReady("What was written is not in the list of its folder.")
    except OSError as error:
        if outages.is_full(error):
            raise NotReady("The disk is full.") from error
        if error.errno in FORBIDDEN:
            raise NotReady(f"The store of files refuses this: {error.strerror}.") from error
        raise
    finally:
        # On a full disk an empty file is left of what could not be written.
        with contextlib.suppress(OSError):
            default_storage.delete(name)


def model() -> None:
    """Every champion's files, and the network that it stands on, are where this process can read them."""
    champions = ModelVersion.objects.champions()
    for number, artifact in champions.values_list("number", "artifact"):
        manifest = settings.DATA_DIR / artifact / "manifest.json"
        if not manifest.is_file():
            raise NotReady(f"The files of model version {number} ({artifact}) are not in DATA_DIR.")
        trunk = json.loads(manifest.read_text(encoding="utf-8"))["trunk_key"]
        if not (settings.DATA_DIR / "trunks" / trunk / "trunk.json").is_file():
            raise NotReady(f"What model version {number} stands on (trunks/{trunk}) is not in DATA_DIR.")


class Lately:
    """A check that costs something, in a thread of its own: good for a while, bad for whoever waited for this very try.

    What it asks may hang for as long as it likes: whoever asks waits for seconds, and all for the same try, of which
    nobody waits for more than its first seconds: a balancer that asks each second would hold half of the threads.
    """

    def __init__(self, name: str, check: Callable[[], None], good: float = GOOD) -> None:
        self._name = name
        self._check = check
        self._good = good
        self._lock = threading.Lock()
        self._trying: Future[str] | None = None
        self._began = self._until = 0.0

    def outcome(self) -> str:
        with self._lock:
            if self._trying is None or (self._trying.done() and time.monotonic() > self._until):
                self._trying, self._began = Future(), time.monotonic()
                threading.Thread(target=self._try, args=(self._trying,), daemon=True).start()
            trying, patience = self._trying, max(0.0, self._began + PATIENCE - time.monotonic())
        try:
            return trying.result(patience)
        except TimeoutError:
            return f"has not answered for {PATIENCE:.0f} seconds"

    def _try(self, trying: Future[str]) -> None:
        outcome = _outcome(self._name, self._check)
        connections.close_all()
        self._until = time.monotonic() + (self._good if outcome == "ok" else 0.0)
        trying.set_result(outcome)

    def forget(self) -> None:
        self._trying = None


queue_lately = Lately("queue", queue, good=0.0)
storage_lately, model_lately = Lately("storage", storage), Lately("model", model)


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@never_cache
@transaction.non_atomic_requests
def readyz(request: HttpRequest) -> JsonResponse:
    answers = {"database": _outcome("database", database)}
    # Each question to a database that is away waits for it, and whoever asks here waits for seconds at most.
    unasked = "" if answers["database"] == "ok" else "waits for the database"
    # Where the queue is in the database, this thread has a connection to it already.
    answers["queue"] = unasked or (queue_lately.outcome() if settings.BROKER_URL else _outcome("queue", queue))
    answers["storage"] = storage_lately.outcome()
    answers["model"] = unasked or model_lately.outcome()
    ready = all(answer == "ok" for answer in answers.values())
    return JsonResponse({"ready": ready, "checks": answers}, status=200 if ready else 503)


def _outcome(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as error:
        return str(error)
    except Exception as error:
        logger.warning("the %s check failed", name, exc_info=True)
        return f"failed ({type(error).__name__}); the log says more"
    return "ok"
