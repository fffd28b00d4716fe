"""What is known of a task changes while an answer to it waits: the answer counts by what is known when it is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from labeling import services
from labeling.models import Judgment, Membership, Project, Task
from tests.labeling.collecting.test_concurrency import BOTH_WAYS, await_waiting, closing, leased, together
from tests.labeling.conftest import person

pytestmark = pytest.mark.django_db(transaction=True)


@BOTH_WAYS
@pytest.mark.parametrize(("before", "after", "counted"), [(None, "cat", 1), ("cat", "dog", 1), ("cat", None, 0)])
def test_gold_that_is_made_or_changed_while_an_answer_waits_measures_it_as_it_is_then(
    make_project: Callable[..., Project], rules: int, before: str | None, after: str | None, counted: int
) -> None:
    project = make_project(images=1, judgments_min=3, judgments_max=3, gold_rate=1.0, access="open")
    Project.objects.filter(pk=project.pk).update(rule_count=rules)
    task = Task.objects.get(project=project)
    if before is not None:
        services.set_gold(task=task, answers=before, user=project.owner)
        project.refresh_from_db()
    worker = person("ada")
    lease = leased(project, worker)[worker.pk]
    changed = threading.Event()

    def act(user: User) -> None:
        if user == worker:
            assert changed.wait(120)
            services.submit_judgment(assignment_id=lease, worker=worker, answers={"category": "cat"})
            return
        with transaction.atomic():
            if after is None:
                services.remove_gold(task=task, user=user)
            else:
                services.set_gold(task=task, answers=after, user=user)
            changed.set()
            watch = threading.Thread(target=closing, args=[lambda: await_waiting("%WITH held AS%FOR UPDATE OF t%")])
            watch.start()
            watch.join()

    assert together([worker, project.owner], act) == []
    member = Membership.objects.get(project=project, user=worker)
    assert (member.judgment_count, member.gold_seen) == (1, counted)
    assert member.gold_right == (after == "cat")
    assert Judgment.objects.get().is_gold == (after is not None)
    project.refresh_from_db()
    assert project.judgment_count == 1
