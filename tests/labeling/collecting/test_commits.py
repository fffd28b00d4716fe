"""What waits for the database's disk: an answer does, a claim of its own does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from labeling.models import Project
from tests.labeling.conftest import answer

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = ("labeling_assignment", "labeling_judgment")


@pytest.fixture(autouse=True)
def waits() -> Iterator[None]:
    """A table of whether the commits that insert leases and judgments wait, on a connection whose commits do."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SET synchronous_commit = on;
            CREATE TABLE waits (id serial, what text, synchronous_commit text);
            CREATE FUNCTION record_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO waits (what, synchronous_commit)
                VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'));
                RETURN NULL;
            END $$;
        """)
        for table in TABLES:
            cursor.execute(
                f"CREATE TRIGGER record_wait AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION record_wait()"
            )
    yield
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DROP TRIGGER record_wait ON {table}")
        cursor.execute("DROP FUNCTION record_wait; DROP TABLE waits; RESET synchronous_commit")


def recorded() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT what, synchronous_commit FROM waits ORDER BY id")
        return cursor.fetchall()


def test_a_claim_does_not_wait_and_an_answer_does(project: Project, worker: User) -> None:
    answer(project, worker)
    assert recorded() == [("labeling_assignment", "off"), ("labeling_judgment", "on")]


def test_what_is_written_in_one_transaction_with_a_claim_waits(project: Project, worker: User) -> None:
    with transaction.atomic():
        answer(project, worker)
    assert recorded() == [("labeling_assignment", "on"), ("labeling_judgment", "on")]
