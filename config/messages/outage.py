"""A message that failed because the database went away is tried again, whatever its actor's own limit.

Actors that must not repeat a failure of theirs (``max_retries=0``) would otherwise be parked by every restart of the
server. Put after Retries in the list, so that it speaks before it.
"""

from __future__ import annotations

from typing import Any

from django.db import InterfaceError, OperationalError
from dramatiq import Broker
from dramatiq.middleware import Middleware

MOST = 10


class Outage(Middleware):
    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        seen = message.options.get("outages", 0)
        if isinstance(exception, OperationalError | InterfaceError) and seen < MOST:
            message.options["outages"] = seen + 1
            message.options["max_retries"] = message.options.get("retries", 0) + 1
            message.options["min_backoff"] = 2000
