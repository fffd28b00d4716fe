"""Hidden gold cannot be told from the rest by whoever is measured by it: not by a claim, a list or one's own record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from labeling import services, workflow
from labeling.models import Project, Task
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
    assert len(gold["prefetch"]) == len(real["prefetch"]) == 3
    assert (gold["stage"], gold["payload"], gold["held"]) == (real["stage"], real["payload"], real["held"])
    assert stored.json()["feedback"] is None


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
    assert workflow.make_golds(project=project) == 4
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
