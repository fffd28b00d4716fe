"""One log line a message: which actor, how long, how it ended; and its name in every line logged meanwhile.

Arguments are not logged: they are ids, but a log is no place to rely on that.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from dramatiq import Broker
from dramatiq.errors import Retry
from dramatiq.middleware import Middleware

from config.middleware.request_log import request_id

logger = logging.getLogger("crowdtune.actor")


class Log(Middleware):
    def __init__(self) -> None:
        self.local = threading.local()

    def before_process_message(self, broker: Broker, message: Any) -> None:
        self.local.started = time.perf_counter()
        self.local.token = request_id.set(message.message_id)

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        took = (time.perf_counter() - self.local.started) * 1000
        if exception is None:
            # What the clock sends, without arguments, is news only when it fails.
            level = logging.INFO if message.args else logging.DEBUG
            logger.log(level, "%s done %.0fms", message.actor_name, took)
        elif isinstance(exception, Retry):
            logger.info("%s will be tried again %.0fms", message.actor_name, took)
        else:
            level = logging.ERROR if message.failed else logging.WARNING
            fate = "failed for good" if message.failed else "failed, to be tried again"
            logger.log(level, "%s %s %.0fms: %s", message.actor_name, fate, took, type(exception).__name__)
        request_id.reset(self.local.token)

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        request_id.reset(self.local.token)
