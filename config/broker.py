"""The message broker: by default the same PostgreSQL, so that a row and the work that it causes commit together.

``BROKER_URL`` switches to RabbitMQ (``amqp://``) or Redis (``redis://``) without a change of code.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import dramatiq
from django.conf import settings
from dramatiq.middleware import AgeLimit, Callbacks, Middleware, Retries, ShutdownNotifications, TimeLimit

from config.env import EnvError
from config.messages.connections import Connections
from config.messages.log import Log
from config.messages.outage import Outage
from config.messages.postgres import PostgresBroker


def install() -> None:
    """Make the broker that ``BROKER_URL`` names the one on which actors are declared."""
    dramatiq.set_broker(build(settings.BROKER_URL))


def build(url: str) -> dramatiq.Broker:
    if not url:
        return PostgresBroker(middleware=middleware())
    scheme = url.partition(":")[0]
    try:
        _port = urlsplit(url).port
    except ValueError as error:  # the address holds a password, so it is not shown
        raise EnvError(
            "BROKER_URL must be amqp://user:password@host:port/ or redis://host:port/0 with a number for the port; what"
            " is special in the password must be percent-encoded (%23 for #, %2F for /, %40 for @)."
        ) from error
    # Imported where they are used: either driver costs a web process half a second, and most installs have neither.
    if scheme in {"amqp", "amqps"}:
        from config.messages.rabbitmq import RabbitmqBroker

        return RabbitmqBroker(url, middleware=middleware())
    if scheme in {"redis", "rediss"}:
        from config.messages.redis import RedisBroker

        return RedisBroker(url, middleware=middleware())
    raise EnvError(f"BROKER_URL must start with amqp:// or redis://, or be unset; got {scheme!r}.")


def middleware() -> list[Middleware]:
    return [Log(), Connections(), AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries(), Outage()]
