"""The message broker: by default the same PostgreSQL, so that a row and the work that it causes commit together."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.stub import StubBroker


def install() -> None:
    dramatiq.set_broker(StubBroker())
