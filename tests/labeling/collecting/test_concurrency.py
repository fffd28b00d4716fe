"""Many people at once on one project: the books balance exactly, whatever the order of events."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from labeling import services
from labeling.collecting.leases import fetch
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Consensus, Judgment, Membership, Project, Task
from labeling.services.members import ensure_member
from tests.labeling.conftest import person

pytestmark = pytest.mark.django_db(transaction=True)
CROWD = 32


# An answer in a project without rules is one statement, if its task is still as it was first seen.
BOTH_WAYS = pytest.mark.parametrize("rules", [0, 1], ids=["in one statement", "with more to follow"])


def bare_tasks(project: Project, count: int) -> None:
    """Rows without files: these tests never look at a picture."""
    from labeling.models import Image

    images = Image.objects.bulk_create(
        Image(project=project, sha256=f"{n:064d}", name=f"{n}.png", width=8, height=8, byte_count=1,
              original="o", display="d", thumbnail="t")
        for n in range(count)
    )  # fmt: skip
    wanted = project.judgments_min
    Task.objects.bulk_create(Task(project=project, image=i, wanted=wanted, open_slots=wanted) for i in images)
    Project.objects.filter(pk=project.pk).update(image_count=count, task_count=count)


def leased(project: Project, *people: User) -> dict[int, uuid.UUID]:
    """One lease for each of them, by their id."""
    leases = {}
    for user in people:
        ensure_member(project=project, user=user)
        lease = services.claim_assignment(project=project, worker=user)
        assert lease is not None
        leases[user.pk] = lease.pk
    return leases


def await_waiting(like: str, count: int = 1) -> None:
    """Until so many statements of this database wait for a lock."""
    until = time.monotonic() + 120
    found = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %(like)s"
    )
    while fetch(found, {"like": like})[0][0] < count:
        assert time.monotonic() < until
        time.sleep(0.02)
        fetch("SELECT pg_stat_clear_snapshot()", {})  # or a transaction sees what it saw first


def together(workers: list[User], work: Callable[[User], None]) -> list[Exception]:
    """Run ``work`` for each of the workers in a thread of their own; returns what went wrong."""
    wrong: list[Exception] = []

    def run(worker: User) -> None:
        try:
            work(worker)
        except Exception as error:  # noqa: BLE001 - handed to the test
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def closing(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connection.close()


def crowd_labels(project: Project, workers: list[User], mischief: float = 0.0) -> list[tuple[int, int]]:
    """Everyone claims and answers until nothing is left; returns (task, worker) of each serving."""
    served: list[tuple[int, int]] = []

    def label(worker: User) -> None:
        dice = random.Random(worker.pk)
        while True:
            assignment = services.claim_assignment(project=project, worker=worker)
            if assignment is None:
                return
            if dice.random() < mischief:
                services.release_assignment(assignment_id=assignment.pk, worker=worker)
                continue
            served.append((assignment.task_id, worker.pk))
            answers = {"category": dice.choice(["cat", "dog"])}
            _, created = services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers=answers)
            assert created
            connection.close()  # back to the pool, as at the end of a request

    assert together(workers, label) == []
    return served


@pytest.mark.parametrize(("tasks", "overlap"), [(40, 3), (100, 1)])
def test_thirty_two_workers_give_each_task_exactly_its_judgments(
    owner: User, make_project: Callable[..., Project], tasks: int, overlap: int
) -> None:
    project = make_project(images=0, judgments_min=overlap, judgments_max=overlap, access="open")
    bare_tasks(project, tasks)
    workers = [person(f"w{number}") for number in range(CROWD)]
    served = crowd_labels(project, workers)
    assert len(served) == len(set(served)) == tasks * overlap
    assert set(Counter(task for task, _ in served).values()) == {overlap}
    assert Judgment.objects.filter(project=project).count() == tasks * overlap
    assert set(Task.objects.filter(project=project).values_list("judgment_count", "open_slots", "state")) == {
        (overlap, 0, "retired")
    }
    project.refresh_from_db()
    assert (project.judgment_count, project.retired_count) == (tasks * overlap, tasks)
    counts = Membership.objects.filter(project=project).values_list("judgment_count", flat=True)
    assert sum(counts) == tasks * overlap


def test_leases_given_back_in_the_middle_lose_and_double_nothing(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0, judgments_min=2, judgments_max=2, access="open")
    bare_tasks(project, 20)
    crowd_labels(project, [person(f"w{number}") for number in range(8)], mischief=0.3)
    # Those who came back while others held the last slots may have left early: whoever is left finishes.
    crowd_labels(project, [person("late-1"), person("late-2")])
    assert Judgment.objects.filter(project=project).count() == 40
    assert not Assignment.objects.filter(project=project, state="leased").exists()


def test_one_person_who_asks_many_times_at_once_holds_one_lease_of_a_task(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0, judgments_min=3, judgments_max=3, access="open")
    bare_tasks(project, 4)
    eager = person("eager")
    services.ensure_member(project=project, user=eager)
    assert together([eager] * 8, lambda worker: services.claim_assignment(project=project, worker=worker)) == []
    tasks = list(Assignment.objects.filter(project=project, worker=eager).values_list("task_id", flat=True))
    assert len(tasks) == len(set(tasks))


def test_the_same_answer_sent_eight_times_at_once_is_stored_once(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0, judgments_min=3, judgments_max=3, access="open")
    bare_tasks(project, 1)
    worker = person("wanda")
    assignment = services.claim_assignment(project=project, worker=worker)
    assert assignment is not None
    created: list[bool] = []

    def send(user: User) -> None:
        answer = services.submit_judgment(assignment_id=assignment.pk, worker=user, answers={"category": "cat"})
        created.append(answer[1])

    assert together([worker] * 8, send) == []
    assert sorted(created) == [False] * 7 + [True]
    project.refresh_from_db()
    assert (project.judgment_count, Judgment.objects.count()) == (1, 1)


def test_a_budget_is_not_overrun_by_people_who_claim_at_once(make_project: Callable[..., Project]) -> None:
    project = make_project(
        images=0, judgments_min=1, judgments_max=1, access="open", price_per_judgment="0.10", budget="1.00"
    )
    bare_tasks(project, 40)
    workers = [person(f"w{number}") for number in range(8)]
    for worker in workers:
        services.ensure_member(project=project, user=worker)

    def label(worker: User) -> None:
        for _ in range(10):
            fresh = Project.objects.get(pk=project.pk)
            assignment = services.claim_assignment(project=fresh, worker=worker)
            if assignment is not None:
                services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "cat"})
            connection.close()

    wrong = together(workers, label)
    assert [error for error in wrong if not isinstance(error, CrowdtuneError)] == []
    project.refresh_from_db()
    assert project.judgment_count == 10
    assert project.spent == 1


def test_people_who_send_grids_of_the_same_tasks_at_once_do_not_lock_each_other_out(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(
        images=0, questions=[{"key": "seen", "kind": "yes_no", "prompt": "Is it?"}], judgments_min=8, judgments_max=8,
        access="open",
    )  # fmt: skip
    bare_tasks(project, 12)
    workers = [person(f"w{number}") for number in range(8)]
    shown = {}
    for worker in workers:
        member = services.ensure_member(project=project, user=worker)
        shown[worker.pk] = [lease.id for lease in services.claim_grid(project=project, member=member, size=12)[1]]

    def send(worker: User) -> None:
        tiles = shown[worker.pk]
        services.submit_grid(project=project, worker=worker, shown=tiles, tapped=tiles[::2])

    assert together(workers, send) == []
    assert Judgment.objects.count() == 8 * 12


def test_who_waited_for_tasks_that_others_took_is_given_one_of_the_rest(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0, judgments_min=1, judgments_max=1, access="open")
    bare_tasks(project, 100)
    worker, found = person("late"), []
    ensure_member(project=project, user=worker)
    order = Task.objects.filter(project=project).order_by("-priority", "random", "id").values_list("pk", flat=True)

    def claim() -> None:
        found.append(services.claim_assignment(project=project, worker=worker))
        connection.close()

    late = threading.Thread(target=claim)
    with transaction.atomic():
        Task.objects.filter(pk__in=list(order[:60])).update(open_slots=0)  # as claims of others do
        late.start()
        waits = (  # in this database: other tests run in others of the same server
            "SELECT FROM pg_locks AS one WHERE NOT granted AND locktype = %(kind)s AND EXISTS (SELECT FROM pg_locks "
            "JOIN pg_database ON oid = database WHERE pid = one.pid AND datname = current_database())"
        )
        while late.is_alive() and not fetch(waits, {"kind": "transactionid"}):
            time.sleep(0.01)
    late.join()
    assert found
    assert found[0] is not None


@BOTH_WAYS
def test_an_answer_that_waited_for_another_of_its_task_counts_both(
    make_project: Callable[..., Project], rules: int
) -> None:
    """Its statement began before the other's was there, so what it saw of the task is not all."""
    project = make_project(images=1, judgments_min=3, judgments_max=3)
    Project.objects.filter(pk=project.pk).update(rule_count=rules)
    first, second = person("ada"), person("bob")
    leases = leased(project, first, second)
    written, go_on = threading.Event(), threading.Event()

    def answer(worker: User) -> None:
        if worker == first:
            with transaction.atomic():
                services.submit_judgment(assignment_id=leases[worker.pk], worker=worker, answers={"category": "cat"})
                written.set()
                assert go_on.wait(120)
            return
        assert written.wait(120)
        services.submit_judgment(assignment_id=leases[worker.pk], worker=worker, answers={"category": "cat"})

    def watch(_worker: User) -> None:
        await_waiting("%labeling_assignment%")
        go_on.set()

    jobs = {first.pk: answer, second.pk: answer, project.owner_id: watch}
    wrong = together([first, second, project.owner], lambda worker: jobs[worker.pk](worker))
    assert wrong == []
    row = Consensus.objects.get(task__project=project)
    assert (row.judgment_count, Task.objects.get(project=project).judgment_count) == (2, 2)
    project.refresh_from_db()
    assert project.judgment_count == 2


@BOTH_WAYS
def test_an_answer_takes_the_projects_row_last(make_project: Callable[..., Project], rules: int) -> None:
    """Whoever holds a consensus and then wants the project (a fit, a reviewer) must not meet it the other way round."""
    project = make_project(images=1, judgments_min=3, judgments_max=3)
    Project.objects.filter(pk=project.pk).update(rule_count=rules)
    ada, bob = person("ada"), person("bob")
    leases = leased(project, ada, bob)
    services.submit_judgment(assignment_id=leases[ada.pk], worker=ada, answers={"category": "cat"})
    held = threading.Event()

    def act(user: User) -> None:
        if user == bob:
            assert held.wait(120)
            services.submit_judgment(assignment_id=leases[bob.pk], worker=bob, answers={"category": "cat"})
            return
        with transaction.atomic():
            Consensus.objects.select_for_update().get(project=project)
            held.set()
            with ThreadPoolExecutor(1) as other:  # on a connection of its own: this one's statistics stand still
                other.submit(closing, lambda: await_waiting("%WITH %")).result()
            Project.objects.select_for_update(nowait=True).get(pk=project.pk)

    assert together([bob, project.owner], act) == []
    assert Consensus.objects.get(task__project=project).judgment_count == 2


@BOTH_WAYS
def test_an_answer_that_waited_for_one_given_and_one_taken_back_hears_who_is_left(
    make_project: Callable[..., Project], rules: int
) -> None:
    """As many as it saw, but not the same: the one taken back must not be heard, and the other must."""
    project = make_project(images=1, judgments_min=5, judgments_max=5)
    Project.objects.filter(pk=project.pk).update(rule_count=rules)
    people = [person(name) for name in ("ada", "bob", "cyd")]
    leases = leased(project, *people)
    ada, bob, cyd = people
    services.submit_judgment(assignment_id=leases[ada.pk], worker=ada, answers={"category": "dog"})
    taken_back = threading.Event()

    def waiting(count: int) -> None:
        await_waiting("%WITH held AS%FOR UPDATE OF t%", count)

    def act(worker: User) -> None:
        if worker == ada:
            with transaction.atomic():
                services.undo_last(project=project, worker=ada)
                taken_back.set()
                with ThreadPoolExecutor(1) as other:  # on a connection of its own: this one's statistics stand still
                    other.submit(closing, lambda: waiting(2)).result()
            return
        assert taken_back.wait(120)
        if worker == cyd:
            waiting(1)
        services.submit_judgment(assignment_id=leases[worker.pk], worker=worker, answers={"category": "cat"})

    assert together(people, act) == []
    row = Consensus.objects.get(task__project=project)
    assert (row.answer, row.judgment_count) == ("cat", 2)
    assert row.confidence > 0.6  # a dog among them would leave it in doubt
    assert {judgment.worker_id for judgment in Judgment.objects.filter(withdrawn_at=None)} == {bob.pk, cyd.pk}


def test_a_claim_that_others_are_quicker_at_each_time_asks_to_try_again(
    make_project: Callable[..., Project], worker: User
) -> None:
    """As if each look came a moment too late: no task lets itself be taken, and each stays free."""
    project = make_project(name="Contested", images=2, access="open")
    services.ensure_member(project=project, user=worker)
    late = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    tables = ("labeling_task", "labeling_assignment")
    with connection.cursor() as cursor:
        cursor.execute(late)
        for table, event in zip(tables, ("UPDATE", "INSERT"), strict=True):
            cursor.execute(f"CREATE TRIGGER late BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION late()")
        try:
            with pytest.raises(CrowdtuneError) as refused:
                services.claim_assignment(project=project, worker=worker)
        finally:
            for table in tables:
                cursor.execute(f"DROP TRIGGER late ON {table}")
            cursor.execute("DROP FUNCTION late")
    assert (refused.value.code, refused.value.status) == ("busy", 503)
    assert services.claim_assignment(project=project, worker=worker) is not None


def test_people_who_take_and_give_back_two_tasks_at_once_all_come_to_an_end(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=0, judgments_min=1, judgments_max=1, access="open")
    bare_tasks(project, 2)
    workers = [person(f"w{number}") for number in range(8)]
    held: list[int] = []
    refused: set[str] = set()

    def take_and_give_back(worker: User) -> None:
        for _ in range(15):
            try:
                lease = services.claim_assignment(project=project, worker=worker)
            except CrowdtuneError as refusal:
                refused.add(refusal.code)
                lease = None
            if lease is not None:
                held.append(lease.task_id)
                services.release_assignment(assignment_id=lease.pk, worker=worker)

    assert together(workers, take_and_give_back) == []
    assert refused <= {"busy"}
    assert len(held) > len(workers)
    assert set(Task.objects.filter(project=project).values_list("open_slots", flat=True)) == {1}
