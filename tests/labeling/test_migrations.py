"""What a migration mends in rows of before."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from labeling.models import Consensus, Judgment, Project
from tests.labeling.conftest import answer

pytestmark = pytest.mark.django_db


def test_a_label_that_only_an_answer_taken_back_spoke_of_goes_and_no_other(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=3, access="open")
    said = [answer(project, worker) for _number in range(3)]
    stays, goes, decided = [judgment.task_id for judgment in said]
    Judgment.objects.filter(task__in=(goes, decided)).update(withdrawn_at=timezone.now())
    Consensus.objects.filter(task=decided).update(decided_by=worker)
    with connection.cursor() as cursor:
        cursor.execute(import_module("labeling.migrations.0018_labels_of_undone_answers").FORGET)
    assert set(Consensus.objects.values_list("task", flat=True)) == {stays, decided}
