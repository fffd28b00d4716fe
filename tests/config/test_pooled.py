"""Connections of the pool: one that the database ended costs no request, one that lives is asked nothing."""

from __future__ import annotations

import time

import psycopg
import pytest
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_pool() -> None:
    """Nobody else's connections in it, so that the one that is given back comes again."""
    connection.close()
    connection.close_pool()


def pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def outsider() -> psycopg.Connection[tuple[object, ...]]:
    """A session beside the pool."""
    told = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.connect(**{name: told[name] for name in names if told.get(name)}, autocommit=True)


def end(backend: int) -> None:
    """End a session as an administrator or a restart does, and wait until it is gone."""
    with outsider() as other:
        other.execute("SELECT pg_terminate_backend(%s)", [backend])
        until = time.monotonic() + 30
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend]).fetchone():
            assert time.monotonic() < until
            time.sleep(0.02)


def test_a_connection_that_the_database_ended_is_replaced_before_it_is_used() -> None:
    first = pid()
    connection.close()
    assert pid() == first  # the pool hands the same one out again
    connection.close()
    end(first)
    assert pid() != first


def test_a_live_connection_is_asked_nothing_before_its_first_query() -> None:
    """``pg_stat_activity`` keeps a session's last statement: a check would have come after ours."""
    backend = pid()
    connection.close()
    with outsider() as other:
        connection.ensure_connection()
        (last,) = other.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [backend]).fetchone() or ("",)
        assert "pg_backend_pid" in str(last)


def test_the_connection_that_was_given_back_last_comes_first() -> None:
    others = [connection.copy(), connection.copy()]
    for other in others:
        other.ensure_connection()
    for other in others:
        last = other.connection.info.backend_pid
        other.close()
    assert pid() == last
    connection.close()
    assert pid() == last


def test_a_message_that_waits_in_the_socket_is_no_end() -> None:
    backend = pid()
    with connection.cursor() as cursor:
        cursor.execute("LISTEN gossip")
    connection.close()
    with outsider() as other:
        other.execute("NOTIFY gossip")
    assert pid() == backend
    with connection.cursor() as cursor:
        cursor.execute("UNLISTEN *")
