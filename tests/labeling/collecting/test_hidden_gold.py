"""Hidden gold cannot be told from the rest by whoever is measured by it: not by a claim, a list or one's own record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labeling import services
from labeling.collecting import box_golds
from labeling.models import Membership, Project, Task
from tests.labeling.conftest import client, person

pytestmark = pytest.mark.django_db
API = "/api/v1/projects"
BOX = {"category": "cat", "box": [2.0, 3.0, 10.0, 12.0]}


def claim(project: Project, user: User) -> dict[str, Any]:
    answer = client(user).post(f"{API}/{project.slug}/assignments/")
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.fixture
def hiding(make_project: Callable[..., Project]) -> Project:
    """Six pictures, of which the first is gold, which each claim asks as long as there is some."""
    project = make_project(images=6, gold_rate=1.0, access="open")
    services.set_gold(task=Task.objects.order_by("pk")[0], answers="cat", user=project.owner)
    project.refresh_from_db()
    return project


def test_a_claim_of_gold_has_the_form_of_any_other(hiding: Project) -> None:
    worker = person("wanda")
    gold = claim(hiding, worker)
    assert Task.objects.get(pk=gold["task"]).is_gold
    stored = client(worker).post(
        f"/api/v1/assignments/{gold['id']}/judgment/", {"answers": {"category": "dog"}}, format="json"
    )
    real = claim(hiding, worker)
    assert not Task.objects.get(pk=real["task"]).is_gold
    assert gold.keys() == real.keys()
    assert gold["prefetch"] == real["prefetch"] == []
    assert (gold["stage"], gold["payload"], gold["held"]) == (real["stage"], real["payload"], real["held"])
    assert stored.json()["feedback"] is None


def statements() -> Counter[str]:
    """How often this connection has run each statement of a claim."""
    with connection.cursor() as cursor:
        # One that was given values of other types, as an empty list, is prepared once more.
        cursor.execute(
            "SELECT statement, sum(generic_plans + custom_plans)::int FROM pg_prepared_statements GROUP BY statement"
        )
        return Counter(dict(cursor.fetchall()))


def test_a_claim_of_gold_asks_the_database_as_much_as_any_other(make_project: Callable[..., Project]) -> None:
    project = make_project(images=20, gold_rate=0.5, access="open", judgments_min=1, judgments_max=1)
    for task in Task.objects.order_by("pk")[:10]:
        services.set_gold(task=task, answers="cat", user=project.owner)
    project.refresh_from_db()
    member = services.ensure_member(project=project, user=person("wanda"))
    asked: dict[bool, set[int]] = {True: set(), False: set()}
    for _number in range(9):
        before = statements()
        lease = services.claim_leases(project=project, member=member)[0]
        ran = statements() - before
        asked[Task.objects.get(pk=lease.task_id).is_gold].add(ran.total())
        written = [statement for statement in ran if "INSERT INTO labeling_assignment" in statement]
        assert [("synchronous_commit" in statement) for statement in written] == [True]  # none waits for the disk
        services.skip_assignment(assignment_id=lease.id, worker=member.user)
    assert asked[True] | asked[False] == {2}


@pytest.mark.parametrize("rules", [False, True])
def test_an_answer_to_gold_asks_the_database_as_much_as_any_other(
    make_project: Callable[..., Project], rules: bool
) -> None:
    project = make_project(images=8, gold_rate=1.0, access="open", judgments_min=2, judgments_max=2)
    for task in Task.objects.order_by("pk")[:4]:
        services.set_gold(task=task, answers="cat", user=project.owner)
    if rules:
        rule = {"measure": "gold_accuracy", "window": 2, "threshold": 0.1, "action": "warn"}
        services.add_rule(project=project, user=project.owner, **rule)
    project.refresh_from_db()
    asked: dict[bool, set[int]] = {True: set(), False: set()}
    member = services.ensure_member(project=project, user=person("wanda"))
    for number in range(8):
        lease = services.claim_leases(project=project, member=member)[0]
        before = statements()
        with CaptureQueriesContext(connection) as queries:
            judgment, _ = services.submit_judgment(
                assignment_id=lease.id, worker=member.user, answers={"category": "cat"}
            )
            assert services.stored_json(judgment=judgment)["feedback"] is None
        if number:  # the first one reads what is kept after it
            ran = (statements() - before).total() + len(queries)
            asked[Task.objects.get(pk=lease.task_id).is_gold].add(ran)
    assert asked[True] == asked[False] == {10 if rules else 2}
    assert Membership.objects.filter(pk=member.pk, gold_seen=4, gold_right=4).exists()


def test_what_is_loaded_ahead_names_gold_as_often_as_any_other(make_project: Callable[..., Project]) -> None:
    project = make_project(images=40, gold_rate=0.4, access="open", judgments_min=1, judgments_max=1)
    for task in Task.objects.order_by("pk")[:15]:
        services.set_gold(task=task, answers="cat", user=project.owner)
    project.refresh_from_db()
    worker, named, ahead = person("wanda"), {True: 0, False: 0}, set()
    for _number in range(20):
        lease = claim(project, worker)
        named[Task.objects.get(pk=lease["task"]).is_gold] += lease["image"]["id"] in ahead
        ahead = {image["id"] for image in lease["prefetch"]}
        client(worker).post(
            f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"category": "cat"}}, format="json"
        )
    assert named[True] == named[False] == 0


def test_gold_comes_at_any_place_of_a_full_batch(make_project: Callable[..., Project]) -> None:
    project = make_project(images=40, gold_rate=0.3, access="open", judgments_min=30, judgments_max=30)
    for task in Task.objects.order_by("pk")[:20]:
        services.set_gold(task=task, answers="cat", user=project.owner)
    project.refresh_from_db()
    places: set[int] = set()
    for number in range(12):
        worker = person(f"worker {number}")
        batch = client(worker).post(f"{API}/{project.slug}/assignments/", {"hold": 4}, format="json").json()
        tasks = [batch["task"], *(lease["task"] for lease in batch["held"])]
        assert len(tasks) == len(set(tasks)) == 4
        assert {image["id"] for image in batch["prefetch"]} == {lease["image"]["id"] for lease in batch["held"]}
        places |= {place for place, task in enumerate(tasks) if Task.objects.get(pk=task).is_gold}
    assert len(places) > 1


def test_a_model_suggests_beside_hidden_gold_as_beside_the_rest(make_project: Callable[..., Project]) -> None:
    project = make_project(images=2, show_suggestions=True, blind_share=0.0, gold_rate=1.0)
    hidden, real = Task.objects.order_by("pk")
    services.set_gold(task=hidden, answers="cat", user=project.owner)
    labels = {hidden.image_id: "dog", real.image_id: "dog"}
    assert services.suggest_answers(project=project, labels=labels, source="model 1") == 2
    hidden.refresh_from_db()
    real.refresh_from_db()
    assert hidden.payload == real.payload


def test_gold_of_boxes_is_asked_by_the_name_of_its_stage_alone(make_project: Callable[..., Project]) -> None:
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, judgments_max=1, access="open"
    )
    stages = []
    for name, answers in (("ann", {"box": [BOX]}), ("bob", {"good": True}), ("cyd", {"covered": True})):
        lease = claim(project, person(name))
        stages.append(lease["stage"])
        client(User.objects.get(username=name)).post(
            f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": answers}, format="json"
        )
    assert stages == ["draw", "quality", "coverage"]
    assert box_golds.make(project=project) == 4
    Project.objects.filter(pk=project.pk).update(gold_rate=1.0)
    judge = person("judge")
    seen = set()
    for _number in range(4):
        lease = claim(project, judge)
        assert Task.objects.get(pk=lease["task"]).is_gold
        seen.add(lease["stage"])
        answers = {"good" if lease["stage"] == "quality" else "covered": True}
        client(judge).post(f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": answers}, format="json")
    assert seen == {"quality", "coverage"}


@pytest.mark.parametrize("query", ["is_gold=true", "is_gold=false", "state=retired", "state=open"])
def test_who_only_labels_cannot_list_the_pictures_by_what_tells_of_gold(hiding: Project, query: str) -> None:
    assert client(person("wanda")).get(f"{API}/{hiding.slug}/images/?{query}").status_code == 403
    assert client(hiding.owner).get(f"{API}/{hiding.slug}/images/?{query}").status_code == 200
    assert len(client(User.objects.get(username="wanda")).get(f"{API}/{hiding.slug}/images/").json()["results"]) == 6


def test_ones_own_record_does_not_count_the_gold(hiding: Project) -> None:
    worker = person("wanda")
    before = client(worker).get(f"{API}/{hiding.slug}/standing/").json()
    gold = claim(hiding, worker)
    client(worker).post(f"/api/v1/assignments/{gold['id']}/judgment/", {"answers": {"category": "dog"}}, format="json")
    after = client(worker).get(f"{API}/{hiding.slug}/standing/").json()
    assert {name for name in after if after[name] != before[name]} <= {"judgment_count", "streak_days"}
    assert client(hiding.owner).get(f"{API}/{hiding.slug}/workers/wanda/").json()["gold_seen"] == 1


def progress(page: str) -> tuple[str, str] | None:
    found = re.search(r'<progress class="progress[^"]*"[^>]* max="(\d+)" value="(\d+)"', page)
    return (found[1], found[2]) if found else None


def told(project: Project, worker: User) -> tuple[Any, ...]:
    """All progress of the project that who labels in it is shown: by the page, the list of projects and the API."""
    browser = Client()
    browser.force_login(worker)
    pages = [browser.get(address).content.decode() for address in (f"/label/{project.slug}/", "/label/")]
    body = client(worker).get(f"{API}/{project.slug}/").json()
    return *(progress(page) for page in pages), body["task_count"], body["retired_count"]


def test_progress_moves_by_one_with_an_answer_to_gold_as_with_any_other(hiding: Project) -> None:
    worker = person("wanda")
    golds = []
    for number in range(3):
        lease = claim(hiding, worker)
        golds.append(Task.objects.get(pk=lease["task"]).is_gold)
        assert told(hiding, worker) == (("6", str(number)), ("6", str(number)), None, None)
        client(worker).post(
            f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"category": "dog"}}, format="json"
        )
    assert golds == [True, False, False]
    assert client(hiding.owner).get(f"{API}/{hiding.slug}/").json()["retired_count"] == 1


def test_progress_does_not_tell_what_an_answer_opens_in_the_workflow_of_boxes(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=2, categories=["cat"], workflow="three_stage_boxes", access="open")
    worker, other = person("wanda"), person("ann")
    claim(project, worker)
    before = told(project, worker)
    lease = claim(project, other)
    client(other).post(f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"box": [BOX]}}, format="json")
    project.refresh_from_db()
    assert project.task_count == 3
    assert told(project, worker) == before == (None, None, None, None)
