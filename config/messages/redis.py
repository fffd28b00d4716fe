"""Redis, told to look for dead workers often: by default a killed worker's message waits for minutes."""

from __future__ import annotations

from dramatiq.brokers import redis as library
from dramatiq.middleware import Middleware

from config.messages.on_commit import OnCommit

# Of a million commands, how many also look for dead workers (the library's default is a thousand).
MAINTENANCE_CHANCE = 100_000
HEARTBEAT_TIMEOUT_MS = 15_000


class RedisBroker(OnCommit, library.RedisBroker):
    def __init__(self, url: str, *, middleware: list[Middleware]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            url=url,
            maintenance_chance=MAINTENANCE_CHANCE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            middleware=middleware,
        )
