"""Django's PostgreSQL backend, whose pooled connections are looked at before use instead of asked.

Django's own check is a query each time a request takes a connection. A connection that PostgreSQL ended (a restart, a
timeout, an administrator) shows without a question: its socket has something to read, the end at least, although
nothing was asked. Only then is it asked. A server that vanished without a word is found by the request's own query.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection[Any]:
        while True:  # each turn takes a dead connection out of the pool; without one left it makes a new one, or raises
            connection: psycopg.Connection[Any] = super().get_new_connection(conn_params)
            if self.pool is None or _lives(connection):
                return connection
            connection.close()
            self.pool.putconn(connection)


def _lives(connection: psycopg.Connection[Any]) -> bool:
    """Whether an idle connection is good. Raises nothing."""
    sockets = select.poll()
    sockets.register(connection.pgconn.socket, select.POLLIN)
    if not sockets.poll(0):
        return True
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        return False
    return True
