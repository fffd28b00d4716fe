"""Answers and skips under a lease that is over: taken where there is room, refused where somebody else has the task."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from labeling import services
from labeling.actors import expire_leases
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Membership, Project, Task
from tests.labeling.collecting.test_concurrency import await_waiting, closing, together
from tests.labeling.conftest import claim, client, person
from tests.labeling.services.test_claims import let_run_out

pytestmark = pytest.mark.django_db


def taken_away(project: Project, worker: User) -> Assignment:
    """A lease that has run out, which the sweeper has seen."""
    lease = claim(project, worker)
    let_run_out(lease)
    expire_leases()
    return lease


def test_an_answer_after_the_lease_ran_out_is_taken_when_nobody_has_the_slot(project: Project, worker: User) -> None:
    assignment = taken_away(project, worker)
    _, created = services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "cat"})
    assert created


def test_a_skip_after_the_lease_ran_out_holds(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=1)
    services.add_member(project=project, username=worker.username)
    assignment = taken_away(project, worker)
    for _again in range(2):
        services.skip_assignment(assignment_id=assignment.pk, worker=worker, reason="too dark")
    assignment.refresh_from_db()
    assert (assignment.state, assignment.reason) == ("skipped", "too dark")
    assert Task.objects.get(project=project).open_slots == 1
    assert services.claim_assignment(project=project, worker=worker) is None


def test_a_late_skip_leaves_the_same_task_that_was_handed_out_anew(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=1)
    services.add_member(project=project, username=worker.username)
    first = taken_away(project, worker)
    second = claim(project, worker)
    services.skip_assignment(assignment_id=first.pk, worker=worker)
    second.refresh_from_db()
    assert second.state == "leased"


def test_a_late_answer_is_taken_where_the_same_person_was_handed_the_task_anew(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=1, price_per_judgment=1, budget=1)
    services.add_member(project=project, username=worker.username)
    first = taken_away(project, worker)
    second = claim(project, worker)
    assert second.task_id == first.task_id
    _, created = services.submit_judgment(assignment_id=first.pk, worker=worker, answers={"category": "cat"})
    assert created
    second.refresh_from_db()
    assert second.state == "released"
    task = Task.objects.get(pk=first.task_id)
    assert (task.judgment_count, task.open_slots) == (1, task.wanted - 1)


@pytest.mark.parametrize("anew", [False, True])
def test_a_late_answer_to_gold_is_taken_as_one_to_another_task_is(
    make_project: Callable[..., Project], worker: User, anew: bool
) -> None:
    project = make_project(images=1, gold_rate=1, price_per_judgment=1)
    services.add_member(project=project, username=worker.username)
    services.set_gold(task=Task.objects.get(project=project), answers="cat", user=project.owner)
    project.refresh_from_db()
    first = claim(project, worker)
    services.release_assignment(assignment_id=first.pk, worker=worker, reason="left the page")
    if anew:
        assert claim(project, worker).pk != first.pk
    assert services.submit_judgment(assignment_id=first.pk, worker=worker, answers={"category": "cat"})[1]
    assert services.claim_assignment(project=project, worker=worker) is None
    member = Membership.objects.get(project=project, user=worker)
    assert (member.gold_seen, member.gold_right, member.earned) == (1, 1, 1)


def test_a_late_answer_is_not_taken_for_more_than_the_budget_holds_for_the_newer_lease(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=1, price_per_judgment=1, budget=1)
    services.add_member(project=project, username=worker.username)
    first = taken_away(project, worker)
    second = claim(project, worker)
    Project.objects.filter(pk=project.pk).update(price_per_judgment=2)
    with pytest.raises(CrowdtuneError, match="not yours any more"):
        services.submit_judgment(assignment_id=first.pk, worker=worker, answers={"category": "cat"})
    services.submit_judgment(assignment_id=second.pk, worker=worker, answers={"category": "cat"})
    project.refresh_from_db()
    assert project.spent == project.budget


def test_an_answer_after_another_has_the_slot_is_409(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=1)
    services.add_member(project=project, username=worker.username)
    services.add_member(project=project, username="walt")
    first = claim(project, worker)
    let_run_out(first)
    claim(project, User.objects.get(username="walt"))
    with pytest.raises(CrowdtuneError) as refusal:
        services.submit_judgment(assignment_id=first.pk, worker=worker, answers={"category": "cat"})
    assert (refusal.value.code, refusal.value.status) == ("lease_lost", 409)


def test_a_lease_that_ran_out_is_not_taken_again_where_the_budget_went_to_another(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=2, access="open", price_per_judgment="0.10", budget="0.10")
    slow, quick = person("slow"), person("quick")
    late = claim(project, slow)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_leases()
    Task.objects.filter(pk=late.task_id).update(priority=-1)  # the other task is next
    taken = claim(project, quick)
    with pytest.raises(CrowdtuneError) as refused:
        services.submit_judgment(assignment_id=late.pk, worker=slow, answers={"category": "cat"})
    assert refused.value.code == "lease_lost"
    services.submit_judgment(assignment_id=taken.pk, worker=quick, answers={"category": "cat"})
    project.refresh_from_db()
    assert project.spent == project.budget


@pytest.mark.parametrize("budget", [None, "0.10"])
def test_a_late_answer_is_taken_where_slot_and_money_are_held_by_a_lease_that_is_over_too(
    make_project: Callable[..., Project], budget: str | None
) -> None:
    project = make_project(images=1, access="open", price_per_judgment="0.10", budget=budget)
    slow = person("slow")
    late = taken_away(project, slow)
    let_run_out(claim(project, person("slower")))
    assert services.submit_judgment(assignment_id=late.pk, worker=slow, answers={"category": "cat"})[1]


def test_an_answer_is_taken_from_a_tab_whose_task_another_tab_gave_back_as_it_closed(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=2)
    services.add_member(project=project, username=worker.username)
    for reason, is_taken in (("left the page", True), ("enough for today", False)):
        lease = claim(project, worker)
        services.release_assignment(assignment_id=lease.pk, worker=worker, reason=reason)
        assert Task.objects.get(pk=lease.task_id).open_slots == 1
        again = {"assignment_id": lease.pk, "worker": worker, "answers": {"category": "cat"}}
        if is_taken:
            assert services.submit_judgment(**again)[1]
        else:
            with pytest.raises(CrowdtuneError, match="not yours any more"):
                services.submit_judgment(**again)


def while_handed_anew(project: Project, worker: User, act: Callable[[], object]) -> None:
    """Do what waits for the task that a claim of the same worker, as of the page's next images, is taking just now."""
    claimed = threading.Event()

    def run(user: User) -> None:
        if user == worker:
            assert claimed.wait(120)
            act()
            return
        with transaction.atomic():
            claim(project, worker)
            claimed.set()
            with ThreadPoolExecutor(1) as other:  # on a connection of its own: this one's statistics stand still
                other.submit(closing, lambda: await_waiting("%FOR UPDATE OF t%")).result()

    assert together([worker, project.owner], run) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wanted", [1, 2])
def test_a_late_answer_is_taken_in_the_moment_in_which_the_task_is_handed_out_anew(
    make_project: Callable[..., Project], worker: User, wanted: int
) -> None:
    project = make_project(images=1, judgments_min=wanted, judgments_max=wanted)
    services.add_member(project=project, username=worker.username)
    first = taken_away(project, worker)
    answer = {"assignment_id": first.pk, "worker": worker, "answers": {"category": "cat"}}
    while_handed_anew(project, worker, lambda: services.submit_judgment(**answer))
    assert set(Assignment.objects.values_list("state", flat=True)) == {"submitted", "released"}
    task = Task.objects.get(pk=first.task_id)
    assert (task.judgment_count, task.open_slots) == (1, wanted - 1)


@pytest.mark.django_db(transaction=True)
def test_a_late_skip_in_the_moment_in_which_the_task_is_handed_out_anew_changes_nothing(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=1)
    services.add_member(project=project, username=worker.username)
    first = taken_away(project, worker)
    while_handed_anew(project, worker, lambda: services.skip_assignment(assignment_id=first.pk, worker=worker))
    assert set(Assignment.objects.values_list("state", flat=True)) == {"expired", "leased"}


def test_who_skips_a_task_of_a_project_that_was_just_deleted_is_told(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, access="open")
    worker = person("wanda")
    lease = claim(project, worker)
    services.delete_project(project=project)
    answer = client(worker).post(f"/api/v1/assignments/{lease.pk}/skip/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
