"""Redis, told to look for dead workers often: by default a killed worker's message waits for minutes.

Redis does not count deliveries, so ``Deliveries`` does: a message that killed its workers so often is parked.
"""

from __future__ import annotations

from typing import Any

from dramatiq import Broker
from dramatiq.brokers import redis as library
from dramatiq.middleware import Middleware, SkipMessage
from redis.exceptions import RedisError

from config.messages.on_commit import OnCommit

# Of a million commands, how many also look for dead workers (the library's default is a thousand).
MAINTENANCE_CHANCE = 100_000
HEARTBEAT_TIMEOUT_MS = 15_000
DELIVERY_LIMIT = 5
_FORGOTTEN_AFTER_SECONDS = 7 * 24 * 3600


class Deliveries(Middleware):
    """Counts the deliveries of a message that ended in no answer, good or bad: its worker died."""

    def before_process_message(self, broker: Broker, message: Any) -> None:
        client, key = broker.client, self._key(message)  # type: ignore[attr-defined]
        deliveries = client.incr(key)
        client.expire(key, _FORGOTTEN_AFTER_SECONDS)
        if deliveries > DELIVERY_LIMIT:
            message.fail()
            raise SkipMessage(f"Parked: the worker died at each of {deliveries - 1} deliveries.")

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        broker.client.delete(self._key(message))  # type: ignore[attr-defined]

    after_skip_message = after_process_message

    def _key(self, message: Any) -> str:
        return f"crowdtune:deliveries:{message.message_id}"


class RedisBroker(OnCommit, library.RedisBroker):
    refusals = (RedisError,)  # one whose memory or disk is full answers, with another error than one that is away

    def __init__(self, url: str, *, middleware: list[Middleware]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            url=url,
            maintenance_chance=MAINTENANCE_CHANCE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            middleware=[*middleware, Deliveries()],
        )
