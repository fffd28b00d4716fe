"""Gold that checks labels: nobody is asked about it or measured by it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from labeling import services
from labeling.collecting import phases
from labeling.models import Membership, Project, Task
from tests.labeling.conftest import answer, claim, person

pytestmark = pytest.mark.django_db


def standing(project: Project, worker: User) -> Membership:
    return Membership.objects.get(project=project, user=worker)


def test_a_check_of_labels_is_asked_of_nobody_and_measures_nobody(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=3, access="open", gold_rate=1, price_per_judgment="0.1")
    for task in Task.objects.filter(project=project).order_by("id")[:2]:
        services.set_gold(task=task, answers="cat", user=project.owner)
    rule = {"measure": "gold_accuracy", "window": 2, "comparison": "below", "threshold": 1.0, "action": "pause"}
    services.add_rule(project=project, user=project.owner, **rule)
    services.ensure_member(project=project, user=worker)
    first = Task.objects.get(pk=answer(project, worker, "dog").task_id)
    assert standing(project, worker).gold_seen == 1
    lease = claim(project, worker)  # handed out as hidden gold
    for task in (first, lease.task):
        services.set_gold(task=task, answers="cat", use="check", user=project.owner)
    assert standing(project, worker).gold_seen == 0, "what it measured is taken back"
    judgment, _is_new = services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "dog"})
    member = standing(project, worker)
    assert (member.is_paused, member.gold_seen, judgment.is_gold) == (False, 0, True)
    assert judgment.price == Decimal("0.1"), "what was offered is paid"
    assert phases.golds_before_work(project) == {}
    services.undo_last(project=project, worker=worker)
    other = person("otto")
    services.ensure_member(project=project, user=other)
    assert standing(project, other).phase == "working"
    assert not claim(Project.objects.get(pk=project.pk), other).task.is_gold
