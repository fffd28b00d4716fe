"""Whichever plan the database keeps for a claim, it walks along the order and stops; it never sorts all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from labeling import services
from labeling.collecting import leases
from labeling.models import Project

pytestmark = pytest.mark.django_db
TYPES = {
    "project": "bigint", "worker": "bigint", "hold": "int", "seconds": "int", "version": "int", "now": "timestamptz",
    "priority": "float8", "random": "float8", "id": "bigint", "since": "timestamptz", "price": "numeric",
    "alone": "bool",
}  # fmt: skip
TASKS = 20_000


@pytest.fixture
def large(make_project: Callable[..., Project]) -> Project:
    """Open tasks enough that a plan which sorts them all can be told from one that does not."""
    project = make_project(name="Large", images=0, access="open")
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH made AS (
                INSERT INTO labeling_image (project_id, sha256, name, width, height, byte_count, original, display,
                                            thumbnail, created_at)
                SELECT %s, lpad(g::text, 64, '0'), g || '.jpg', 8, 8, 1, 'o', 'd', 't', now()
                FROM generate_series(1, %s) g RETURNING id, project_id)
            INSERT INTO labeling_task (project_id, image_id, stage, state, retired_because, priority, random, wanted,
                                       judgment_count, open_slots, is_gold, payload, created_at)
            SELECT project_id, id, 'label', 'open', '', 0, random(), 3, 0, 3, false, '{}', now() FROM made""",
            [project.pk, TASKS],
        )
        cursor.execute("ANALYZE labeling_task")
        cursor.execute("ANALYZE labeling_image")
    return project


def test_a_claim_reads_a_short_stretch_of_the_order(large: Project, worker: User) -> None:
    member = services.ensure_member(project=large, user=worker)
    values = {
        "project": large.pk, "worker": member.user_id, "hold": 1, "seconds": 60, "version": 1, "now": timezone.now(),
        "since": None, "price": 0, "alone": True,
        "priority": 0.0, "random": 0.1, "id": 1,
    }  # fmt: skip
    texts = {**{name: leases._CLAIMS[name] for name in ("head", "after", "all")}, "left": leases._POOLS["first"]}
    for mode in ("force_custom_plan", "force_generic_plan"):
        for name, text in texts.items():
            with transaction.atomic():
                read = most_rows(explained(text, values, mode))
                transaction.set_rollback(True)  # each finds all tasks free, and the worker without a lease
            assert 0 < read < 200, (mode, name)


def explained(text: str, values: dict[str, Any], mode: str) -> dict[str, Any]:
    """The plan of a prepared statement as it ran."""
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    prepared = re.sub(r"%\((\w+)\)s", numbered, text)
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        cursor.execute(f"PREPARE looked AS {prepared}".replace("AS", f"({', '.join(TYPES[n] for n in names)}) AS", 1))
        told = ", ".join("%s" for _name in names)
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) EXECUTE looked({told})", [values[name] for name in names]
        )
        (plan,) = cursor.fetchone()
        cursor.execute("DEALLOCATE looked")
    found: dict[str, Any] = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return found


def most_rows(node: dict[str, Any]) -> float:
    """The most rows that any step of the plan gave or threw away.

    A bitmap of an index counts the entries that tests before this one rolled back, too; the step above it, which looks
    the rows up, does not.
    """
    own = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
    if node["Node Type"] == "Bitmap Index Scan":
        own = 0
    return max([own, *(most_rows(child) for child in node.get("Plans", []))])
