"""Two of whom one deletes what the other has looked up and is about to change: the other one is told so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import transaction

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import AuditEntry, Category, CategoryExample, Membership, Project, Task
from tests.labeling.collecting.test_concurrency import await_waiting, closing
from tests.labeling.conftest import picture

pytestmark = pytest.mark.django_db(transaction=True)
CAT = {"category": "cat"}
VERBS: dict[str, Callable[[Task, Any], Any]] = {
    "decide": lambda task, user: services.decide_task(task=task, answers=CAT, user=user),
    "retire": lambda task, user: services.retire_task(task=task, user=user),
    "reopen": lambda task, user: services.reopen_task(task=task, user=user),
    "set gold": lambda task, user: services.set_gold(task=task, answers=CAT, user=user),
    "remove gold": lambda task, user: services.remove_gold(task=task, user=user),
}


@pytest.mark.parametrize("name", list(VERBS))
def test_a_task_that_went_with_its_image(project: Project, name: str) -> None:
    task = Task.objects.select_related("image", "project").filter(project=project)[0]
    services.delete_images(project=project, ids=[task.image_id], user=None)
    entries = AuditEntry.objects.count()
    with pytest.raises(CrowdtuneError, match="at the same moment") as refused:
        VERBS[name](task, project.owner)
    assert (refused.value.status, AuditEntry.objects.count()) == (409, entries)


def test_a_person_whom_another_manager_has_taken_out(project: Project) -> None:
    member, _key = services.add_member(project=project, username="wanda")
    services.remove_member(member=Membership.objects.get(pk=member.pk), by=project.owner)
    with pytest.raises(CrowdtuneError, match="at the same moment"):
        services.remove_member(member=member, by=project.owner)
    assert AuditEntry.objects.filter(action="member_removed").count() == 1


def test_a_category_that_a_change_of_the_survey_takes_out_and_a_change_of_its_examples_do_not_lock_each_other_out(
    project: Project,
) -> None:
    category = project.categories.get(key="dog")
    example = services.add_example(category=category, data=picture(1), user=None)
    verbs = [
        lambda: services.add_example(category=category, data=picture(2), user=None),
        lambda: services.change_example(example=example, alt="A dog.", user=None),
        lambda: services.remove_example(example=example, user=None),
    ]
    with ThreadPoolExecutor(3) as others:
        with transaction.atomic():
            Project.objects.select_for_update().get(pk=project.pk)
            changing = [others.submit(closing, verb) for verb in verbs]
            await_waiting("%labeling_project%", 3)
            services.replace_survey(project=project, user=None, categories=["cat", "cow"])
        for change in changing:
            with pytest.raises(CrowdtuneError, match="at the same moment"):
                change.result()
    assert not CategoryExample.objects.exists()
    assert sorted(Category.objects.values_list("key", flat=True)) == ["cat", "cow"]
