"""One process that works messages off: a few threads on the queues that it was given.

Dramatiq's own command forks a process for each of its parts and ends as a whole when one of them dies; here the
supervisor (or the container's engine) starts one process per role, which costs less memory and restarts alone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import dramatiq
from django.utils.module_loading import autodiscover_modules

from config.messages.postgres import PostgresBroker

logger = logging.getLogger(__name__)
# Shorter than the supervisor's patience. What is not done then is delivered again, to us or to another worker.
GRACE_MS = 7000


def run(queues: set[str], *, threads: int) -> None:
    """Work until SIGTERM or SIGINT; then finish what finishes soon, and give the rest back."""
    os.umask(0o077)  # as under ``manage.py up``: features and models are no other account's business
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    autodiscover_modules("actors")
    broker = dramatiq.get_broker()
    for queue in queues:
        broker.declare_queue(queue)
    worker = dramatiq.Worker(broker, queues=queues, worker_threads=threads)
    # A message in hand counts as delivered: no more of them than there are threads, or a crash touches bystanders.
    worker.queue_prefetch = threads
    worker.start()
    logger.info("working on %s with %d threads", ", ".join(sorted(queues)), threads)
    stop.wait()
    worker.stop(timeout=GRACE_MS)
    if isinstance(broker, PostgresBroker):
        broker.leave()
    logging.shutdown()
    sys.stdout.flush()
    # Threads still in the middle of a message would hold the interpreter's exit up; their message is not acknowledged.
    os._exit(0)
