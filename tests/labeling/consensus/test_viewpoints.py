"""Another aggregator's view of the labels, through the API."""

from __future__ import annotations

import pytest
from django.test import Client

from labeling.consensus import fitting, viewpoints
from labeling.consensus.update import update_task
from labeling.models import Consensus, Membership, Project, Task
from tests.labeling.crowds import make_project, make_tasks, person, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    browser = Client()
    browser.force_login(person("owner"))
    return browser


def told(weight: float = 0.1) -> Project:
    """Two people of little weight say dog, one says cat: the project's own answer is cat, majority's is dog."""
    project = make_project(judgments_min=5)
    for name in ("worker2", "worker3"):
        Membership.objects.create(project=project, user=person(name), weight=weight)
    [task] = make_tasks(project, 1)
    for name, answer in (("worker1", "cat"), ("worker2", "dog"), ("worker3", "dog")):
        say(task, person(name), answer)
    update_task(task_id=task.pk)
    return Project.objects.get(pk=project.pk)


def test_labels_show_the_project_s_own_method_unless_asked(client):
    project = told()
    [row] = client.get(f"/api/v1/projects/{project.slug}/labels/").json()["results"]
    assert (row["answer"], row["method"]) == ("cat", "adaptive")


def test_labels_show_the_view_of_majority(client):
    project = told()
    [row] = client.get(f"/api/v1/projects/{project.slug}/labels/?method=majority").json()["results"]
    assert (row["answer"], row["method"]) == ("dog", "majority")
    assert row["confidence"] == pytest.approx(2 / 3)
    assert Consensus.objects.get().answer == "cat"


def test_an_unknown_method_is_refused_by_name(client):
    project = told()
    answer = client.get(f"/api/v1/projects/{project.slug}/labels/?method=oracle")
    assert answer.status_code == 400
    assert "dawid_skene" in answer.json()["error"]["message"]


def test_after_a_full_fit_the_stored_views_are_shown():
    project = told()
    fitting.fit_project(project.pk)
    project.refresh_from_db()
    row = Consensus.objects.get()
    Consensus.objects.update(
        others={**row.others, "one_coin": {"answer": "marked", "confidence": 1.0, "posterior": {}}}
    )
    views = viewpoints.of_rows(project=project, rows=[Consensus.objects.get()], method="one_coin")
    assert views[row.pk]["answer"] == "marked"


def test_a_large_project_counts_majority_from_the_page_s_own_tasks(monkeypatch):
    project = told()
    monkeypatch.setattr(viewpoints, "SMALL", 0)
    [row] = Consensus.objects.all()
    views = viewpoints.of_rows(project=project, rows=[row], method="majority")
    assert views[row.pk]["answer"] == "dog"
    assert viewpoints.of_rows(project=project, rows=[row], method="mace") == {}


def test_gold_is_nobody_s_view():
    project = told()
    Consensus.objects.update(method="gold")
    assert viewpoints.of_rows(project=project, rows=list(Consensus.objects.all()), method="majority") == {}
    assert Task.objects.count() == 1


def test_labels_that_are_not_the_majoritys_are_found_where_others_have_more_of_the_votes(client):
    """Of a category, a yes, a no; not in a tie, of gold, or where no majority is kept."""
    project = make_project()
    first, *_ = tasks = make_tasks(project, 8)
    question = project.questions.get()
    views = {"cat": 2 / 3, "dog": 1 / 3}, {"yes": 2 / 3, "no": 1 / 3}, {"cat": 0.5, "dog": 0.5}
    category, polar, tied = ({"majority": {"confidence": max(v.values()), "posterior": v}} for v in views)
    kinds = [
        ("dog", category, "adaptive"), ("bird", category, "adaptive"), (False, polar, "adaptive"),
        ("cat", category, "adaptive"), (True, polar, "adaptive"), ("dog", tied, "adaptive"),
        ("dog", category, "gold"), (["cat"], {}, "adaptive"),
    ]  # fmt: skip
    for task, (answer, others, method) in zip(tasks, kinds, strict=True):
        row = {"answer": answer, "others": others, "method": method, "confidence": 0.9}
        Consensus.objects.create(task=task, project=project, question=question, **row)
    found = {}
    for wanted in ("true", "false"):
        rows = client.get(f"/api/v1/projects/{project.slug}/labels/?differs_from_majority={wanted}").json()["results"]
        found[wanted] = sorted(row["task"] - first.pk for row in rows)
    assert found == {"true": [0, 1, 2], "false": [3, 4, 5, 6, 7]}
