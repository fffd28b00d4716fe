"""Forms and addresses as no page of ours sends them: refused or taken for what they can mean, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.consensus import fitting
from labeling.models import Assignment, Membership, Project, Task, WorkerSkill
from labeling.views.numbers import whole
from tests.labeling.conftest import claim, person

pytestmark = pytest.mark.django_db
LONG = "9" * 5000


@pytest.fixture
def owning(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.mark.parametrize("text", ["", None, "a", "-1", "1.5", "²", LONG])
def test_a_text_that_is_the_number_of_no_row_is_zero(text: str | None) -> None:
    assert (whole(text), whole("12"), whole("9" * 18)) == (0, 12, 10**18 - 1)


def test_a_place_in_a_list_that_cannot_be_is_the_beginning(project: Project, owning: Client) -> None:
    for address in (
        f"review/?task={LONG}",
        f"review/?after={LONG}",
        "images/?after=[NaN]",
        "images/?after=[1e999]",
        f"images/?before=[{LONG}]",
        f"images/?after={'[' * 5000}",
        f"training/insights/?version={LONG}&image={LONG}",
    ):
        assert owning.get(f"/projects/{project.slug}/{address}").status_code == 200, address[:40]


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("workers/{member}/change/", {"action": "pause", "because": "a\x00"}),
        ("workers/add/", {"username": "a\x00"}),
        ("settings/keys/", {"name": "a\x00", "scopes": "predict"}),
        ("tasks/{task}/gold/", {"answer": '{"category": "cat"}', "explanation": "\x00"}),
        ("labels/export/", {"\x00": "a"}),
    ],
)
def test_a_form_with_a_nul_is_refused(
    project: Project, worker: User, owning: Client, address: str, form: dict[str, Any]
) -> None:
    ids = {"member": Membership.objects.get(user=worker).pk, "task": Task.objects.values_list("pk", flat=True)[0]}
    assert owning.post(f"/projects/{project.slug}/{address.format(**ids)}", form).status_code == 400


def test_gold_by_what_is_no_answer_is_refused(project: Project, owning: Client) -> None:
    task = Task.objects.all()[0]
    for answer in ("null", "-1", LONG, "1e400", '"\\ud800"', '[{"category": "cat"}]', "[" * 5000, "{"):
        page = owning.post(f"/projects/{project.slug}/tasks/{task.pk}/gold/", {"answer": answer}, follow=True)
        assert "choose one of its buttons" in page.content.decode(), answer[:20]
    assert not Task.objects.filter(is_gold=True).exists()


@pytest.mark.parametrize("document", ["[" * 100_000, '[{"key": "\\u0000"}]', "[1e400]"])
def test_a_survey_that_cannot_be_read_is_refused(project: Project, owning: Client, document: str) -> None:
    page = owning.post(f"/projects/{project.slug}/settings/survey/json/", {"document": document}, follow=True)
    assert "not valid JSON" in page.content.decode()
    assert ".)" not in page.context["problem"]


@pytest.mark.parametrize("replaced", ["a", LONG, "-1"])
def test_the_key_to_replace_is_one_of_ones_own(owning: Client, owner: User, replaced: str) -> None:
    assert (
        owning.post(
            "/profile/keys/", {"replace": replaced, "name": "mine", "scopes": ["label"]}, follow=True
        ).status_code
        == 200
    )
    assert owner.api_keys.get().name == "mine"


def test_a_worker_gets_no_more_rows_for_boxes_than_a_form_is_read_for(
    make_project: Callable[..., Project], owning: Client, owner: User
) -> None:
    project = make_project(questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.claim_assignment(project=project, worker=owner)
    form = {"assignment": str(Assignment.objects.get().pk), "more": str(10**9)}
    page = owning.post(f"/label/{project.slug}/", form).content.decode()
    assert page.count('name="a.box.') < 10_000
    assert f"?question=category&version={LONG}" not in page
    choices = owning.get(f"/label/{project.slug}/choices/?question=box&version={LONG}")
    assert choices.status_code == 200


@pytest.mark.parametrize(
    "drawn", ["[" * 100_000, '[{"category": "\\ud800", "box": [1, 1, 5, 5]}]', "[1e400]", '[{"box": 5}]']
)
def test_drawn_boxes_that_cannot_be_read_are_refused_where_they_were_drawn(
    make_project: Callable[..., Project], owning: Client, owner: User, drawn: str
) -> None:
    project = make_project(questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.claim_assignment(project=project, worker=owner)
    form = {"assignment": str(Assignment.objects.get().pk), "a.box.json": drawn}
    assert owning.post(f"/label/{project.slug}/", form).status_code == 400


def test_a_worker_who_was_measured_on_more_categories_than_there_are_now_has_a_page(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(categories=["cat", "dog", "bird"])
    worker = person("wanda")
    member, _key = services.add_member(project=project, username="wanda")
    for _task in range(2):
        lease = claim(project, worker)
        services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"})
    fitting.fit_project(project_id=project.pk)
    assert len(WorkerSkill.objects.get(worker=worker).confusion or []) == 3
    services.replace_survey(project=project, user=project.owner, categories=["cat", "dog"])
    assert owning.get(f"/projects/{project.slug}/workers/{member.pk}/").status_code == 200
