"""A model's labels retire tasks that nobody has touched, many at once, and keep the books."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection

from labeling import services
from labeling.models import Consensus, Image, Project, Task, WebhookDelivery
from tests.labeling.conftest import claim

pytestmark = pytest.mark.django_db


def label(project: Project, category: str = "cat") -> list[int]:
    ids = Image.objects.filter(project=project).values_list("pk", flat=True)
    return services.label_by_model(project=project, labels=dict.fromkeys(ids, (category, 0.97)))


def test_untouched_tasks_are_retired_with_their_reason_and_the_counter_says_so(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(name="More", images=6)
    services.add_member(project=project, username=worker.username)
    lease = claim(project, worker)
    services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "dog"}, seconds=1)
    project.refresh_from_db()
    answered, before = Task.objects.get(pk=lease.task_id), project.retired_count

    labeled = label(project)

    assert len(labeled) == 5
    assert answered.image_id not in labeled
    tasks = Task.objects.filter(project=project, image__in=labeled)
    assert set(tasks.values_list("state", "retired_because", "open_slots")) == {("retired", "model", 0)}
    assert all(tasks.values_list("retired_at", flat=True))
    rows = Consensus.objects.filter(task__in=tasks)
    assert set(rows.values_list("answer", "confidence", "method", "is_final")) == {("cat", 0.97, "model", True)}
    project.refresh_from_db()
    assert project.retired_count == before + 5
    assert label(project, "dog") == []
    project.refresh_from_db()
    assert project.retired_count == before + 5


def test_subscribers_are_told_of_each_and_why(make_project: Callable[..., Project]) -> None:
    project = make_project(name="Told", images=3)
    services.add_webhook(project=project, url="https://example.com/", events=["task.retired"], user=project.owner)
    project.refresh_from_db()
    label(project)
    label(project)
    told = [(row.payload["task"], row.payload["because"]) for row in WebhookDelivery.objects.order_by("id")]
    assert told == [
        (pk, "model") for pk in Task.objects.filter(project=project).order_by("pk").values_list("pk", flat=True)
    ]


def writes(table: str) -> int:
    """Rows of the table that this transaction has updated."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = %s", [table])
        return int(cursor.fetchone()[0])


def test_the_project_that_everybody_shares_is_written_once_for_many_labels(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(name="Many", images=12)
    before = writes("labeling_project")
    assert len(label(project)) == 12
    assert writes("labeling_project") == before + 1
