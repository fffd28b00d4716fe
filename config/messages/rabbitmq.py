"""RabbitMQ, told that a training takes hours, and asked to confirm every message that it is given.

Its queues are quorum queues, the kind that counts deliveries (https://www.rabbitmq.com/docs/quorum-queues).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from dramatiq.brokers import rabbitmq as library
from dramatiq.common import dq_name, xq_name
from dramatiq.errors import BrokerConnectionError
from dramatiq.middleware import Middleware
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from config.messages.on_commit import OnCommit

# RabbitMQ takes a message back from a worker after half an hour unless told otherwise: per queue since version 3.12;
# before, by the server's own consumer_timeout, as docker-compose.yml sets it.
CONSUMER_TIMEOUT_MS = 24 * 3600 * 1000
# A message that came back so often without an answer killed its workers: it is parked among the dead letters. Orderly
# restarts give messages back, too, so this is more than the default queue allows, which does not count those.
DELIVERY_LIMIT = 10


# Seconds, where the address says nothing else. By itself the library waits for ever for a server that is short of
# memory or disk and lets nobody send, for minutes for one that hangs, and a request with it. It tries six times.
PATIENCE = {"blocked_connection_timeout": 2, "heartbeat": 15, "socket_timeout": 3, "stack_timeout": 3}


class RabbitmqBroker(OnCommit, library.RabbitmqBroker):
    # The last but one where it hangs; the last where its name is unknown, as that of a container which is stopped.
    refusals = (BrokerConnectionError, AMQPError, AMQPConnectorException, OSError)

    def __init__(self, url: str, *, middleware: list[Middleware]) -> None:
        super().__init__(url=";".join(map(_patient, url.split(";"))), confirm_delivery=True, middleware=middleware)

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]
        arguments |= {"x-queue-type": "quorum", "x-consumer-timeout": CONSUMER_TIMEOUT_MS}
        # A worker holds the delayed messages of a whole queue in hand: its restart says nothing against them.
        delayed = queue_name.endswith(".DQ")
        return arguments if delayed else {**arguments, "x-delivery-limit": DELIVERY_LIMIT}

    def _declare_dq_queue(self, queue_name: str) -> Any:
        delayed = dq_name(queue_name)
        arguments = {**self._build_queue_arguments(delayed), "x-dead-letter-routing-key": xq_name(queue_name)}
        return self.channel.queue_declare(queue=delayed, durable=True, arguments=arguments)


def _patient(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=urlencode({**PATIENCE, **dict(parse_qsl(parts.query))})).geturl()
