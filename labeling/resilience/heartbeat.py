"""Saying that a process lives, while it is busy with something long. Worker-side."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db import Error, close_old_connections, connection
from django.db.models import Q
from django.utils import timezone

logger = logging.getLogger(__name__)
# How far the clocks of several machines may be apart.
SKEW = timedelta(minutes=5)


def silent(column: str, after: timedelta, now: datetime | None = None) -> Q:
    """Rows whose moment is so long ago; or far ahead, as it is when the clock was set back since it was written."""
    now = now or timezone.now()
    return Q(**{f"{column}__lt": now - after}) | Q(**{f"{column}__gt": now + max(after, SKEW)})


@contextlib.contextmanager
def beating(name: str, beat: Callable[[], bool], *, every: float) -> Iterator[None]:
    """Call ``beat`` every so many seconds until the block ends or it returns False: another has taken over.

    The thread has a connection of its own, so that one long step, in native code too, does not look like a death. A
    beat that fails because the database was restarted is logged, and the next one tries again.
    """
    done = threading.Event()

    def run() -> None:
        try:
            while not done.wait(every):
                try:
                    close_old_connections()
                    if not beat():
                        return
                except Error:  # of any kind: a connection that is closed under it is an InterfaceError
                    logger.warning("%s: a heartbeat failed", name, exc_info=True)
        finally:
            connection.close()

    thread = threading.Thread(target=run, name=f"heartbeat of {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
