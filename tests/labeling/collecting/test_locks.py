"""Everyone takes locks in one order (tasks, then their project), so nobody waits in a circle, with real transactions.

A main thread holds what an answer under way holds, a task, until the verb in question waits for a lock; then it comes
to the project's row, as an answer does. Whoever holds that row while it waits for the task would close the circle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from labeling import services
from labeling.collecting import leases, spending, workflow
from labeling.collecting.leases import fetch
from labeling.consensus import fitting
from labeling.errors import CrowdtuneError
from labeling.importing import ingest, labels
from labeling.importing.said import Said
from labeling.jobs import Report
from labeling.models import Assignment, Departure, Gold, Image, Job, Judgment, Membership, Project, Task
from labeling.services.members import ensure_member
from labeling.surveys import survey
from tests.labeling.collecting.test_concurrency import await_waiting, bare_tasks, closing, together
from tests.labeling.conftest import answer, claim, client, person

pytestmark = pytest.mark.django_db(transaction=True)
SEEN = [{"key": "seen", "kind": "yes_no", "prompt": "Is it?"}]
BOX = {"category": "cat", "box": [2.0, 3.0, 10.0, 12.0]}


def beside_an_answer(task: Task, work: Callable[[], Any], causes: Callable[[], Any] | None = None) -> None:
    """Run ``work`` while somebody answers the task, who comes to the project's row when it waits for a lock, and to
    what the answer causes.
    """

    def waits() -> None:
        closing(lambda: await_waiting("%labeling_%"))

    with ThreadPoolExecutor(2) as others:
        with transaction.atomic():
            Task.objects.select_for_update(of=("self",)).get(pk=task.pk)
            working = others.submit(closing, work)
            others.submit(waits).result()
            Project.objects.filter(pk=task.project_id).update(judgment_count=F("judgment_count"))
            if causes:
                causes()
        working.result()


def test_people_who_take_and_send_grids_of_few_tasks_do_not_lock_each_other_out(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=0, questions=SEEN, judgments_min=8, judgments_max=8, access="open")
    bare_tasks(project, 16)

    def work(worker: User) -> None:
        member = ensure_member(project=project, user=worker)
        while True:
            tiles = [lease.id for lease in services.claim_grid(project=project, member=member, size=9)[1]]
            if not tiles:
                return
            connection.close()  # back to the pool, as at the end of a request
            services.submit_grid(project=project, worker=worker, shown=tiles, tapped=tiles[::2])
            connection.close()

    assert together([person(f"w{number}") for number in range(8)], work) == []
    assert Judgment.objects.count() == 8 * 16


def test_a_claim_of_many_holds_none_while_it_waits_for_one(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0, judgments_min=2, judgments_max=2, access="open")
    bare_tasks(project, 2)
    first, second = Task.objects.order_by("pk")
    Task.objects.filter(pk=first.pk).update(random=0.9)
    Task.objects.filter(pk=second.pk).update(random=0.1)  # next in the order of claims
    member = ensure_member(project=project, user=person("wanda"))
    with ThreadPoolExecutor(1) as others, transaction.atomic():
        Task.objects.select_for_update().get(pk=first.pk)
        claimed = others.submit(lambda: services.claim_leases(project=project, member=member, hold=2))
        assert [lease.task_id for lease in claimed.result(timeout=120)] == [second.pk]
        others.submit(connection.close)


def test_a_grid_after_its_leases_and_a_claim_near_the_budgets_end_do_not_lock_each_other_out(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(
        images=0, questions=SEEN, judgments_min=1, judgments_max=1, access="open", price_per_judgment=1, budget=9
    )
    bare_tasks(project, 2)
    worker = person("wanda")
    member = ensure_member(project=project, user=worker)
    tiles = [lease.id for lease in services.claim_grid(project=project, member=member, size=2)[1]]
    Assignment.objects.update(expires_at=timezone.now())
    leases.expire()

    def send() -> None:
        services.submit_grid(project=project, worker=worker, shown=tiles, tapped=tiles[:1])

    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            assert leases.affordable(project_id=project.pk) == 9
            sending = others.submit(closing, send)
            await_waiting("%advisory%")
            list(Task.objects.select_for_update(nowait=True))  # a claim takes one of those, and waits for it
        sending.result()
    assert Judgment.objects.count() == 2


@pytest.mark.parametrize("spent", [True, False])
def test_the_end_of_a_budget_and_its_raising_are_looked_at_once_more_when_the_tasks_are_held(
    make_project: Callable[..., Project], spent: bool
) -> None:
    project = make_project(images=0, price_per_judgment=1, budget=0 if spent else 9)
    bare_tasks(project, 1)
    if not spent:
        Task.objects.update(state="retired", retired_because="budget", open_slots=0)
    work = spending.retire_when_spent if spent else spending.reopen_when_affordable
    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            Task.objects.select_for_update().get()
            working = others.submit(closing, lambda: work(project_id=project.pk))
            await_waiting("%labeling_task%")
            Project.objects.update(budget=9 if spent else 0)
        working.result()
    assert Task.objects.get().state == ("open" if spent else "retired")


def test_who_takes_an_answer_back_waits_for_who_deletes_its_image(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, access="open")
    worker = person("wanda")
    lease = claim(project, worker)
    services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"})

    def take_back() -> None:
        with pytest.raises(CrowdtuneError, match="no answer left"):
            services.undo_last(project=project, worker=worker)

    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            list(Task.objects.select_for_update())
            taking_back = others.submit(closing, take_back)
            await_waiting("%labeling_task%")
            services.delete_images(project=project, ids=list(Image.objects.values_list("pk", flat=True)), user=None)
        taking_back.result()
    assert not Judgment.objects.exists()


def drawn_and_rejected(make_project: Callable[..., Project]) -> Project:
    """One image, whose first box was judged and found bad: it waits to be drawn again."""
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, judgments_max=1, access="open"
    )
    for name, answers in (("ann", {"box": [BOX]}), ("bob", {"good": False})):
        lease = claim(project, person(name))
        services.submit_judgment(assignment_id=lease.pk, worker=lease.worker, answers=answers)
    return project


def test_a_verdict_given_anew_waits_for_who_draws_what_it_voids(make_project: Callable[..., Project]) -> None:
    project = drawn_and_rejected(make_project)
    drawing = claim(project, person("cyd"))
    assert drawing.task.stage == "draw:2"
    services.reopen_task(task=Task.objects.get(stage="quality:1"), user=project.owner)
    verdict = claim(project, person("dan"))
    assert verdict.task.stage == "quality:1"

    def judge() -> None:
        services.submit_judgment(assignment_id=verdict.pk, worker=verdict.worker, answers={"good": True})

    beside_an_answer(drawing.task, judge)
    assert set(Task.objects.filter(state="open").values_list("stage", flat=True)) == {"coverage:1"}


@pytest.mark.parametrize("decide", [True, False])
def test_a_reviewer_waits_for_who_draws_what_the_decision_voids(
    make_project: Callable[..., Project], decide: bool
) -> None:
    project = drawn_and_rejected(make_project)
    quality, drawing = Task.objects.get(stage="quality:1"), Task.objects.get(stage="draw:2")
    services.reopen_task(task=quality, user=project.owner)

    def review() -> None:
        if decide:
            services.decide_task(task=quality, answers={"good": True}, user=project.owner)
        else:
            services.retire_task(task=quality, user=project.owner)

    beside_an_answer(drawing, review)
    quality.refresh_from_db()
    assert quality.state == "retired"


def ready(project: Project) -> list[ingest.Ready]:
    """All pictures of the project, as an import that brings them again."""
    images = Image.objects.filter(project=project).order_by("pk")
    return [ingest.Ready(ingest.sources.Item(image.name, lambda: b""), image) for image in images]


@pytest.mark.parametrize("gold", [{"0000.png": {"answers": {"category": "cat"}, "use": "hidden"}}, {}])
def test_an_import_waits_for_an_answer_to_a_picture_that_is_there(
    make_project: Callable[..., Project], gold: dict[str, Any]
) -> None:
    project = make_project(images=1)
    job = Job.objects.create(project=project, kind="import_images", arguments={})

    def bring() -> None:
        with transaction.atomic():
            counts = {"imported": 0, "duplicates": 0}
            ingest._write(project, ready(project), {"gold": gold}, counts, Report(job), Said(job.pk, 0))
            assert counts == {"imported": 0, "duplicates": 1}

    beside_an_answer(Task.objects.get(), bring)
    assert list(Gold.objects.values_list("answers", flat=True)) == [entry["answers"] for entry in gold.values()]


def test_an_import_of_labels_as_gold_waits_for_an_answer_to_one_of_them(make_project: Callable[..., Project]) -> None:
    project = make_project(images=2)
    question = survey.current(project).questions[0]

    def bring() -> None:
        with transaction.atomic():
            found = [(image, question, "cat", "") for image in Image.objects.order_by("pk")]
            labels.TAKES["gold"](project, found, {"source": "csv"}, Report(Job()))

    last = Task.objects.order_by("-pk")[0]
    beside_an_answer(last, bring)
    assert Gold.objects.count() == 2


def test_of_two_who_take_back_made_gold_at_once_both_are_counted(make_project: Callable[..., Project]) -> None:
    project = make_project(images=2)
    for task in Task.objects.all():
        services.set_gold(task=task, answers="cat", user=project.owner)
    Task.objects.update(stage=f"verify:1{workflow.MADE_GOLD}")  # it stays closed
    first, second = Task.objects.order_by("pk")
    with ThreadPoolExecutor(2) as others:
        with transaction.atomic():
            services.remove_gold(task=first, user=project.owner)
            adding = others.submit(closing, lambda: Job.objects.create(project=project, kind="export"))
            adding.result(timeout=120)  # who adds to the project does not wait, who may hold a task that we want
            other = others.submit(closing, lambda: services.remove_gold(task=second, user=project.owner))
            others.submit(closing, lambda: await_waiting("%labeling_project%")).result()
        other.result()
    project.refresh_from_db()
    assert project.gold_count == 0


def test_an_answer_to_a_question_that_the_owner_takes_out_meanwhile_is_stored(
    make_project: Callable[..., Project],
) -> None:
    both = [{"key": key, "kind": "yes_no", "prompt": key} for key in ("a", "b")]
    project = make_project(images=0, questions=both, judgments_min=30, judgments_max=30, access="open")
    bare_tasks(project, 30)
    over = threading.Event()

    def work(who: User) -> None:
        if who == project.owner:
            for number in range(8):
                services.replace_survey(project=project, user=who, questions=both[: number % 2 + 1])
            over.set()
        while not over.is_set():
            now = Project.objects.get(pk=project.pk)
            lease = services.claim_assignment(project=now, worker=who)
            if lease is None:
                return  # quicker than the owner: there is nothing left to answer
            asked = survey.load(now.pk, lease.survey_version).questions
            answers = {question.key: True for question in asked}
            services.submit_judgment(assignment_id=lease.pk, worker=who, answers=answers)
            connection.close()

    assert together([project.owner, *(person(f"w{number}") for number in range(4))], work) == []


def test_a_project_is_deleted_while_its_people_answer(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0, access="open")
    member = ensure_member(project=project, user=person("wanda"))
    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            Membership.objects.select_for_update().get(pk=member.pk)  # as an answer does, which counts it last
            deleting = others.submit(closing, lambda: services.delete_project(project=project))
            await_waiting("%labeling_membership%")
            Project.objects.filter(pk=project.pk).update(judgment_count=F("judgment_count") + 1)
        deleting.result()
    assert not Project.objects.filter(pk=project.pk).exists()
    assert not Membership.objects.exists()


def test_who_is_taken_out_and_who_deletes_the_images_of_their_leases_do_not_lock_each_other_out(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=2, access="open")
    answer(project, wanda := person("wanda"))
    claim(project, wanda)
    Assignment.objects.filter(state="leased").update(state="expired")
    ids = list(Image.objects.values_list("pk", flat=True))
    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            list(Assignment.objects.filter(state="expired").select_for_update())  # as who takes the person out
            deleting = others.submit(closing, lambda: services.delete_images(project=project, ids=ids, user=None))
            await_waiting("%labeling_assignment%")
            services.remove_member(member=Membership.objects.get(user=wanda), by=None)
        deleting.result()
    assert not Image.objects.exists()
    assert Departure.objects.values_list("judgment_count", "deleted_count").get() == (1, 1)


def test_a_fit_and_who_counts_for_several_people_do_not_lock_each_other_out(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=1, access="open", judgments_min=2, judgments_max=2)
    people = [person("ada"), person("bob")]
    for who in reversed(people):  # so that rows lie in another order than people come
        answer(project, who)
    first, second = (Membership.objects.filter(user=who) for who in people)
    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            first.update(deleted_count=0)
            fitting_it = others.submit(closing, lambda: fitting.fit_project(project.pk))
            await_waiting("%labeling_membership%")
            second.update(deleted_count=0)
        fitting_it.result()
    assert Membership.objects.filter(user__in=people, accuracy=None).count() == 0


def test_an_image_that_two_delete_at_once_is_counted_once(make_project: Callable[..., Project]) -> None:
    project = make_project(images=3)
    image = Image.objects.order_by("pk")[0]
    deleted: list[int] = []

    def delete(owner: User) -> None:
        deleted.append(services.delete_images(project=project, ids=[image.pk], user=owner))

    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            Task.objects.select_for_update().get(image=image)
            both = others.submit(together, [project.owner] * 3, delete)
            await_waiting("%labeling_task%", 3)
        assert both.result() == []
    project.refresh_from_db()
    assert (sorted(deleted), project.image_count, project.task_count) == ([0, 0, 1], 2, 2)


def test_a_worker_whom_two_programs_add_at_once_is_added_once(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0)
    keys: list[str | None] = []

    def add(owner: User) -> None:
        keys.append(services.add_member(project=project, username="wanda", by=owner)[1])

    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():  # the first of them is not done yet
            services.add_member(project=project, username="wanda")
            both = others.submit(together, [project.owner] * 2, add)
            await_waiting("%auth_user%", 2)
        assert both.result() == []
    assert len(set(keys)) == 2
    assert Membership.objects.filter(user__username="wanda").count() == 1


@pytest.mark.parametrize("way", ["service", "api"])
def test_an_owner_who_loses_a_question_to_a_crowd_at_work_asks_again(
    make_project: Callable[..., Project], way: str
) -> None:
    project = make_project(images=0)
    note = [{"key": "note", "kind": "text", "prompt": "What?"}]

    def change() -> None:
        if way == "api":
            body = {"questions": note, "name": "Notes"}
            answer = client(project.owner).patch(f"/api/v1/projects/{project.slug}/", body, format="json")
            assert answer.status_code == 200, answer.content
        else:
            services.replace_survey(project=project, user=project.owner, questions=note)

    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            fetch("SELECT set_config('deadlock_timeout', '30s', true)", {})
            fetch("SELECT id FROM labeling_question WHERE project_id = %(id)s FOR KEY SHARE", {"id": project.pk})
            changing = others.submit(closing, change)
            await_waiting("%labeling_question%")
            Project.objects.filter(pk=project.pk).update(judgment_count=F("judgment_count"))  # as an answer does
        changing.result()
    project.refresh_from_db()
    assert (project.survey_version, project.name) == (2, "Notes" if way == "api" else "Pets")
    assert [question.key for question in project.questions.all()] == ["note"]
