"""Practice and the qualification test come before the work: how a worker goes on from each to the next."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import Membership, Project, Task
from tests.labeling.conftest import claim, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def taught(make_project: Callable[..., Project]) -> Project:
    """Two images of practice, two of the test, two real ones."""
    project = make_project(images=6, access="open", qualification_share=0.5)
    for number, task in enumerate(Task.objects.order_by("pk")[:4]):
        use = "practice" if number < 2 else "qualification"
        services.set_gold(task=task, answers="cat", use=use, user=project.owner)
    project.refresh_from_db()
    return project


def skip(project: Project, worker: User) -> None:
    services.skip_assignment(assignment_id=claim(project, worker).pk, worker=worker, reason="broken")


def phase_of(worker: User) -> str:
    return Membership.objects.get(user=worker).phase


def test_who_skips_an_image_of_practice_or_of_the_test_is_not_held_there_for_ever(taught: Project) -> None:
    worker = person("wanda")
    services.ensure_member(project=taught, user=worker)
    skip(taught, worker)
    skip(taught, worker)
    assert phase_of(worker) == "qualification"
    answered = claim(taught, worker)
    services.submit_judgment(assignment_id=answered.pk, worker=worker, answers={"category": "cat"})
    assert phase_of(worker) == "qualification"
    skip(taught, worker)
    assert phase_of(worker) == "working"  # one of two was right, and half was asked
    assert not claim(taught, worker).task.is_gold


def test_a_test_whose_images_were_all_skipped_is_not_passed(taught: Project) -> None:
    worker = person("wanda")
    services.ensure_member(project=taught, user=worker)
    for _number in range(4):
        skip(taught, worker)
    assert phase_of(worker) == "failed"
    with pytest.raises(CrowdtuneError, match="not passed"):
        claim(taught, worker)


def test_who_was_let_off_the_test_and_practises_once_more_goes_on(taught: Project) -> None:
    worker = person("wanda")
    member = services.ensure_member(project=taught, user=worker)
    for _number in range(4):
        services.submit_judgment(assignment_id=claim(taught, worker).pk, worker=worker, answers={"category": "dog"})
    appeal = services.appeal_pause(member=Membership.objects.get(pk=member.pk), text="A dog, surely.")
    services.decide_appeal(appeal=appeal, accept=True, by=taught.owner)
    rule = {"measure": "median_seconds", "window": 1, "comparison": "below", "threshold": 9, "action": "train"}
    services.add_rule(project=taught, user=taught.owner, **rule)
    services.submit_judgment(
        assignment_id=claim(taught, worker).pk, worker=worker, answers={"category": "dog"}, seconds=1
    )
    assert phase_of(worker) == "practice"
    for _number in range(2):
        skip(taught, worker)
    assert phase_of(worker) == "working"


@pytest.mark.parametrize("mend", ["answer", "share"])
def test_who_failed_by_a_wrong_answer_of_the_test_or_by_a_share_goes_on_once_that_is_mended(
    taught: Project, mend: str
) -> None:
    worker = person("wanda")
    services.ensure_member(project=taught, user=worker)
    for _number in range(4):
        services.submit_judgment(assignment_id=claim(taught, worker).pk, worker=worker, answers={"category": "dog"})
    assert phase_of(worker) == "failed"
    if mend == "answer":
        task = Task.objects.filter(gold__use="qualification").first()
        assert task is not None
        services.set_gold(task=task, answers="dog", use="qualification", user=taught.owner)
    else:
        services.change_project(project=taught, user=taught.owner, qualification_share=0)
    assert not claim(taught, worker).task.is_gold
    assert phase_of(worker) == "working"


def test_who_has_nothing_left_to_practice_on_goes_on_to_the_test_at_once(taught: Project) -> None:
    worker = person("wanda")
    services.ensure_member(project=taught, user=worker)
    for task in Task.objects.filter(gold__use="practice"):
        services.remove_gold(task=task, user=taught.owner)
    assert claim(taught, worker).task.gold.use == "qualification"
