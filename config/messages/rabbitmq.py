"""RabbitMQ, told that a training takes hours, and asked to confirm every message that it is given."""

from __future__ import annotations

from typing import Any

from dramatiq.brokers import rabbitmq as library
from dramatiq.middleware import Middleware

from config.messages.on_commit import OnCommit

# RabbitMQ takes a message back from a worker after half an hour unless told otherwise: per queue since version 3.12;
# before, by the server's own consumer_timeout, as docker-compose.yml sets it.
CONSUMER_TIMEOUT_MS = 24 * 3600 * 1000


class RabbitmqBroker(OnCommit, library.RabbitmqBroker):
    def __init__(self, url: str, *, middleware: list[Middleware]) -> None:
        super().__init__(url=url, confirm_delivery=True, middleware=middleware)

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]
        return {**arguments, "x-consumer-timeout": CONSUMER_TIMEOUT_MS}
