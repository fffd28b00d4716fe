"""kill -9 of a process in the middle of an aggregation: nothing stays stuck, and the fit is made once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from labeling import services
from labeling.consensus import fitting
from labeling.models import Consensus, Project, Task
from tests.labeling.conftest import claim, person

CHILD = (
    "import sys, django; django.setup(); from labeling.consensus import fitting; fitting.fit_project(int(sys.argv[1]))"
)


def address() -> str:
    known = connection.settings_dict
    return f"postgresql://{known['USER']}@localhost:{known['PORT'] or 5432}/{known['NAME']}?host={known['HOST']}"


def waits_for_a_lock() -> bool:
    """Somebody in this database does; other tests run in others of the same server."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # or a transaction sees who was there at its first look
        cursor.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
            "WHERE NOT l.granted AND a.datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_fit_that_is_killed_under_way_is_made_once_by_the_next(make_project: Callable[..., Project]) -> None:
    project = make_project(images=2, access="open")
    for name in ("a", "b"):
        user = person(name)
        lease = claim(project, user)
        services.submit_judgment(assignment_id=lease.pk, worker=user, answers={"category": "cat"})
    environment = {**os.environ, "DATABASE_URL": address()}
    with transaction.atomic():  # the fit comes as far as its first task, and waits there
        list(Task.objects.filter(project=project).select_for_update())
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(project.pk)], env=environment)
        try:
            deadline = time.monotonic() + 300
            while not waits_for_a_lock():
                assert child.poll() is None, "the fit ended before it was killed"
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            child.kill()
            child.wait()
    project.refresh_from_db()
    assert project.fit_started_at is not None
    assert fitting.fit_project(project.pk) is False  # as long as it may still be alive
    Project.objects.update(fit_started_at=F("fit_started_at") - fitting.ABANDONED - timedelta(seconds=1))
    Project.objects.update(fitted_at=F("fitted_at") - timedelta(minutes=1))  # as long as it rests between fits
    assert fitting.due() == [project.pk]
    assert fitting.fit_project(project.pk) is True
    project.refresh_from_db()
    assert (project.fit_started_at, project.fitted_version) == (None, project.answers_version)
    assert fitting.fit_project(project.pk) is False
    assert set(Consensus.objects.filter(project=project).values_list("answer", flat=True)) == {"cat"}
