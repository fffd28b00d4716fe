"""Leases: whose turn it is, how they end, and what comes first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.utils import timezone

from config.models import QueuedMessage
from labeling import figures, services
from labeling.actors import expire_leases
from labeling.collecting.leases import HEAD
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Consensus, Image, Judgment, Membership, Project, Task
from tests.labeling.conftest import answer, claim, person

pytestmark = pytest.mark.django_db


def let_run_out(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_asking_again_gives_the_live_lease_again(project: Project, worker: User) -> None:
    assert claim(project, worker).pk == claim(project, worker).pk


def test_two_workers_get_different_tasks_when_one_judgment_is_wanted(project: Project, worker: User) -> None:
    other = person("walt")
    services.add_member(project=project, username="walt")
    assert claim(project, worker).task_id != claim(project, other).task_id


def test_a_worker_never_gets_a_task_twice(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=4, judgments_min=3)
    services.add_member(project=project, username=worker.username)
    seen = []
    while (assignment := services.claim_assignment(project=project, worker=worker)) is not None:
        seen.append(assignment.task_id)
        services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "cat"})
    assert len(seen) == len(set(seen)) == 4


def test_a_worker_who_has_done_more_than_the_head_of_the_order_goes_on_after_it(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=HEAD + 2, judgments_min=3)
    services.add_member(project=project, username=worker.username)
    for _ in range(HEAD + 2):
        assignment = claim(project, worker)
        services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "cat"})
    assert services.claim_assignment(project=project, worker=worker) is None


def test_a_raised_priority_comes_first(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=5)
    services.add_member(project=project, username=worker.username)
    image = Image.objects.filter(project=project).order_by("-id")[2]
    assert services.raise_priority(project=project, priorities={image.pk: 0.9}) == 1
    assert claim(project, worker).task.image_id == image.pk


def test_a_lease_that_runs_out_goes_to_the_next_worker(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=1)
    services.add_member(project=project, username=worker.username)
    other = person("walt")
    services.add_member(project=project, username="walt")
    first = claim(project, worker)
    assert services.claim_assignment(project=project, worker=other) is None
    let_run_out(first)
    second = claim(project, other)
    assert second.task_id == first.task_id
    first.refresh_from_db()
    assert first.state == "expired"


def test_the_sweeper_returns_the_slot_once(project: Project, worker: User) -> None:
    assignment = claim(project, worker)
    let_run_out(assignment)
    expire_leases()
    expire_leases()
    assert Task.objects.get(pk=assignment.task_id).open_slots == 1


@pytest.mark.parametrize("back", [timedelta(days=1), timedelta(minutes=6)])
def test_a_lease_of_before_the_clock_was_set_back_lasts_as_long_as_another(
    project: Project, worker: User, back: timedelta
) -> None:
    assignment = claim(project, worker)
    Assignment.objects.update(created_at=F("created_at") + back, expires_at=F("expires_at") + back)
    expire_leases()
    assignment.refresh_from_db()
    lasts = timedelta(seconds=project.lease_seconds)
    assert (assignment.state, assignment.expires_at <= timezone.now() + lasts) == ("leased", True)
    expire_leases()  # each turn took something off it, while it seemed to be given out later than now
    assert Assignment.objects.get().expires_at == assignment.expires_at
    let_run_out(assignment)
    expire_leases()
    assignment.refresh_from_db()
    assert assignment.state == "expired"


def test_a_lease_lasts_as_long_where_the_clock_of_the_database_is_ahead(
    project: Project, worker: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() - timedelta(hours=1))
    assignment = claim(project, worker)
    expire_leases()
    expire_leases()
    assignment.refresh_from_db()
    lasts = assignment.expires_at - assignment.created_at
    assert (assignment.state, round(lasts.total_seconds(), -2)) == ("leased", project.lease_seconds)


def test_a_lease_that_ends_on_a_task_that_was_closed_meanwhile_opens_no_slot(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=1, judgments_min=3, access="open")
    late, skips, gives = (claim(project, person(name)) for name in ("late", "skips", "gives"))
    services.retire_task(task=Task.objects.get(), user=project.owner)
    let_run_out(late)
    expire_leases()
    services.skip_assignment(assignment_id=skips.pk, worker=skips.worker)
    services.release_assignment(assignment_id=gives.pk, worker=gives.worker)
    assert Task.objects.get().open_slots == 0
    assert not Assignment.objects.filter(state="leased").exists()


def test_what_is_left_of_a_budget_below_a_price_leases_nothing(make_project: Callable[..., Project]) -> None:
    project = make_project(images=3, access="open", price_per_judgment="0.10", budget="0.29")
    member = services.ensure_member(project=project, user=person("wanda"))
    assert len(services.claim_leases(project=project, member=member, hold=3)) == 2


def test_what_a_lease_that_ran_out_held_of_the_budget_is_there_for_who_asks_next(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=2, access="open", price_per_judgment="0.10", budget="0.10")
    gone, now = person("gone"), person("now")
    let_run_out(claim(project, gone))
    assert claim(project, now)
    assert sorted(Assignment.objects.values_list("state", flat=True)) == ["expired", "leased"]
    assert services.claim_assignment(project=project, worker=gone) is None


def test_a_skipped_task_does_not_come_again_and_another_gets_it(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=1)
    services.add_member(project=project, username=worker.username)
    services.add_member(project=project, username="walt")
    assignment = claim(project, worker)
    services.skip_assignment(assignment_id=assignment.pk, worker=worker, reason="blurred")
    services.skip_assignment(assignment_id=assignment.pk, worker=worker, reason="blurred")
    assert services.claim_assignment(project=project, worker=worker) is None
    assert claim(project, User.objects.get(username="walt")).task_id == assignment.task_id
    assert Membership.objects.get(project=project, user=worker).skip_count == 1


def test_a_released_task_comes_again(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=1)
    services.add_member(project=project, username=worker.username)
    assignment = claim(project, worker)
    services.release_assignment(assignment_id=assignment.pk, worker=worker)
    assert claim(project, worker).task_id == assignment.task_id


def test_holding_three_gives_three_leases_and_the_oldest_first(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=5)
    member = services.ensure_member(project=project, user=worker)
    held = services.claim_leases(project=project, member=member, hold=3)
    assert len({lease.task_id for lease in held}) == 3
    assert claim(project, worker).pk == held[0].id


@pytest.mark.parametrize("ask", [services.claim_assignment, services.undo_last])  # either hands out a task
def test_a_paused_project_and_a_paused_worker_are_told_so(
    project: Project, worker: User, ask: Callable[..., object]
) -> None:
    member = Membership.objects.get(project=project, user=worker)
    answer(project, worker)
    services.pause_worker(member=member, because="Too fast.")
    with pytest.raises(CrowdtuneError, match=r"Too fast\."):
        ask(project=project, worker=worker)
    services.resume_worker(member=member, by=None)
    project.is_paused = True
    with pytest.raises(CrowdtuneError) as refusal:
        ask(project=project, worker=worker)
    assert refusal.value.code == "project_paused"
    project.is_paused = False
    ask(project=project, worker=worker)


def test_a_spent_budget_ends_claims_and_retires_what_is_open(
    make_project: Callable[..., Project], worker: User, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=3, price_per_judgment="0.50", budget="0.50")
    services.add_member(project=project, username=worker.username)
    assignment = claim(project, worker)
    services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "cat"})
    run_actors()
    project.refresh_from_db()
    assert services.claim_assignment(project=project, worker=worker) is None
    reasons = Task.objects.filter(project=project).values_list("retired_because", flat=True)
    assert set(reasons) == {"budget"}
    assert project.retired_count == 3
    assert figures.cost(project)["judgments_saved"] == 0  # what was not asked for want of money is not saved


def test_what_was_asked_for_beside_the_policy_is_in_the_forecast(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=3, judgments_max=1, price_per_judgment="0.50")
    services.add_member(project=project, username=worker.username)
    for _ in range(2):
        answered = claim(project, worker)
        services.submit_judgment(assignment_id=answered.pk, worker=worker, answers={"category": "cat"})
        services.reopen_task(task=answered.task, user=project.owner, count=4)
    project.refresh_from_db()
    cost = figures.cost(project)
    assert (cost["judgments_to_finish"], cost["cost_to_finish"]) == (2 * 4 + 1, "4.50")


def test_gold_that_comes_between_the_tasks_is_in_the_forecast(
    make_project: Callable[..., Project], owner: User
) -> None:
    project = make_project(images=12, judgments_min=2, judgments_max=2, price_per_judgment="0.50", gold_rate=0.5)
    for task in Task.objects.filter(project=project)[:4]:
        services.set_gold(task=task, answers="dog", user=owner)
    project.refresh_from_db()
    assert figures.cost(project)["cost_to_finish"] == "12.00"  # of 16 answers, and 4 images of gold for each of two
    project.gold_rate = 0.2
    assert figures.cost(project)["cost_to_finish"] == "10.00"
    # What was right of a qualification test says nothing of what is hidden.
    Membership.objects.filter(project=project).update(judgment_count=1, gold_seen=8)
    assert figures.cost(project)["cost_to_finish"] == "10.00"


def test_a_raised_budget_opens_again_what_its_end_had_retired(
    make_project: Callable[..., Project], owner: User, worker: User, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=3, judgments_min=2, price_per_judgment="0.50", budget="1.00")
    services.add_member(project=project, username=worker.username)
    first, second = services.claim_assignment(project=project, worker=owner), claim(project, worker)
    assert first is not None
    for lease, user in ((first, owner), (second, worker)):
        services.submit_judgment(assignment_id=lease.pk, worker=user, answers={"category": "cat"})
    run_actors()
    project.refresh_from_db()
    assert project.retired_count == 3
    taken_back, _answers = services.undo_last(project=project, worker=worker)
    # Who answers again within their lease has nothing opened and closed anew.
    soon = timezone.now() + timedelta(seconds=project.lease_seconds / 2)
    assert QueuedMessage.objects.latest("position").available_at > soon
    run_actors()
    assert Task.objects.filter(project=project, state="open").count() == 3
    services.submit_judgment(assignment_id=taken_back.pk, worker=worker, answers={"category": "cat"})
    run_actors()
    services.change_project(project=project, user=owner, budget="1.20")  # buys nothing
    run_actors()
    assert not Task.objects.filter(project=project, state="open").exists()
    full = Task.objects.filter(project=project, judgment_count=0)[0]  # as late answers may fill it
    most = project.judgments_max
    Task.objects.filter(pk=full.pk).update(judgment_count=most, wanted=most)
    project = services.change_project(project=project, user=owner, budget="9.00")
    run_actors()
    project.refresh_from_db()
    tasks = Task.objects.filter(project=project, state="open")
    assert project.retired_count == 3 - tasks.count()
    assert full not in tasks
    assert all(task.open_slots == task.wanted - task.judgment_count > 0 for task in tasks)
    assert not Consensus.objects.filter(task__in=tasks, is_final=True).exists()
    claim(project, worker)


def test_whoever_raises_a_budget_finds_work_at_once(
    make_project: Callable[..., Project],
    owner: User,
    worker: User,
    run_actors: Callable[[], int],
    django_capture_on_commit_callbacks: Any,
) -> None:
    project = make_project(images=3, price_per_judgment="0.50", budget="0.50")
    services.add_member(project=project, username=worker.username)
    services.submit_judgment(
        assignment_id=claim(project, worker).pk, worker=worker, answers={"category": "cat"}, seconds=1
    )
    run_actors()
    with django_capture_on_commit_callbacks(execute=True):
        project = services.change_project(project=project, user=owner, budget="9.00")
    claim(project, worker)


def test_gold_hides_among_the_claims(make_project: Callable[..., Project], owner: User, worker: User) -> None:
    project = make_project(images=6, gold_rate=1.0)
    services.add_member(project=project, username=worker.username)
    task = Task.objects.filter(project=project).first()
    assert task is not None
    services.set_gold(task=task, answers={"category": "dog"}, user=owner)
    project.refresh_from_db()
    assignment = claim(project, worker)
    assert assignment.task_id == task.pk
    services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "cat"})
    member = Membership.objects.get(project=project, user=worker)
    assert (member.gold_seen, member.gold_right) == (1, 0)
    # Each worker sees it once; then come the others.
    assert claim(project, worker).task_id != task.pk


@pytest.mark.parametrize("rate", [0.99999, 1.0])
def test_gold_does_not_come_alone_where_nothing_else_is_left_unless_it_is_all_that_is_asked_for(
    make_project: Callable[..., Project], owner: User, worker: User, rate: float
) -> None:
    project = make_project(images=3, judgments_max=1, gold_rate=rate)
    services.add_member(project=project, username=worker.username)
    real, *golds = Task.objects.filter(project=project)
    for task in golds:
        services.set_gold(task=task, answers="dog", user=owner)
    project.refresh_from_db()
    services.retire_task(task=real, user=owner)
    found = services.claim_assignment(project=project, worker=worker)
    assert (found is not None) == (rate == 1.0)


def test_many_workers_may_answer_the_same_gold(make_project: Callable[..., Project], owner: User) -> None:
    project = make_project(images=1, gold_rate=1.0, access="open")
    task = Task.objects.get(project=project)
    services.set_gold(task=task, answers="dog", user=owner)
    project.refresh_from_db()
    for number in range(12):
        worker = person(f"w{number}")
        assignment = claim(project, worker)
        services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "dog"})
    task.refresh_from_db()
    assert (task.judgment_count, task.state) == (12, "retired")
    assert Membership.objects.get(project=project, user=worker).gold_right == 1


def test_claims_are_planned_once_a_connection_and_not_at_each_call(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=5)
    member = services.ensure_member(project=project, user=worker)
    for hold in (1, 2, 3):
        services.claim_leases(project=project, member=member, hold=hold)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(generic_plans), max(custom_plans) FROM pg_prepared_statements"
            " WHERE statement LIKE '%INSERT INTO labeling_assignment%'"
        )
        generic, custom = cursor.fetchone()
    assert generic >= 3
    assert custom == 0


def test_a_price_that_rises_while_leases_are_out_does_not_overrun_the_budget(
    make_project: Callable[..., Project], owner: User
) -> None:
    project = make_project(images=4, access="open", price_per_judgment="0.10", budget="0.40")
    people = [person(f"person {number}") for number in range(5)]
    taken = [services.claim_assignment(project=project, worker=people[number]) for number in range(2)]
    project = services.change_project(project=project, user=owner, price_per_judgment="0.20")
    taken += [services.claim_assignment(project=project, worker=who) for who in people[2:]]
    assert [lease is not None for lease in taken] == [True, True, True, False, False]
    for who, lease in zip(people, taken, strict=True):
        if lease is not None:
            services.submit_judgment(assignment_id=lease.pk, worker=who, answers={"category": "cat"})
    project.refresh_from_db()
    assert project.spent == project.budget
    prices = Judgment.objects.filter(project=project).order_by("id").values_list("price", flat=True)
    assert [str(price) for price in prices] == ["0.1000", "0.1000", "0.2000"]


def test_a_budget_that_is_lowered_below_what_the_next_judgment_costs_ends_the_work(
    make_project: Callable[..., Project], owner: User, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=2, price_per_judgment="0.10", budget="9.00")
    services.change_project(project=project, user=owner, budget="0.05")
    run_actors()
    reasons = Task.objects.filter(project=project).values_list("retired_because", flat=True)
    assert list(reasons) == ["budget", "budget"]
