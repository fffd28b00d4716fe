"""A worker's threads have no request cycle: their connections are checked and given back around each message."""

from __future__ import annotations

from typing import Any

from django import db
from dramatiq import Broker
from dramatiq.middleware import Middleware


class Connections(Middleware):
    """Without this a connection broken by a restart of the server would fail every later message of its thread."""

    def before_process_message(self, broker: Broker, message: Any) -> None:
        db.close_old_connections()

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        db.close_old_connections()

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        db.close_old_connections()

    def before_consumer_thread_shutdown(self, broker: Broker, thread: Any) -> None:
        db.connections.close_all()

    def before_worker_thread_shutdown(self, broker: Broker, thread: Any) -> None:
        db.connections.close_all()
