"""Comparisons by API: started, measured, made the recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling.models import Membership, Project
from tests.training.api.test_runs import client_of
from training.models import TrainingPolicy
from training.services.bakeoffs import with_fronts

BAKE_OFFS = "/api/v1/projects/shapes/bake-offs/"


def test_candidates_are_measured_and_one_becomes_the_recipe(project: Project, run_actors: Callable[[], int]) -> None:
    owner = client_of(project.owner)
    candidates = [{"backbone": "crowdtune_small"}, {"backbone": "crowdtune_small", "augmentation": True}]
    asked = owner.post(BAKE_OFFS, {"candidates": candidates}, format="json")
    assert asked.status_code == 202, asked.json()
    job = asked.json()["job"]
    assert owner.post(BAKE_OFFS, {"candidates": candidates}, format="json").status_code == 409
    run_actors()

    found = owner.get(f"{BAKE_OFFS}{job}/").json()

    assert found["state"] == "succeeded", found["message"]
    assert [row["augmentation"] for row in found["candidates"]] == [False, True]
    assert sum(row["winner"] for row in found["candidates"]) == 1
    assert any(row["on_front"]["latency"] for row in found["candidates"])
    used = owner.post(f"{BAKE_OFFS}{job}/use/", {"candidate": 1}, format="json").json()
    assert (used["backbone"], used["augmentation"]) == ("crowdtune_small", True)
    assert TrainingPolicy.objects.get(project=project).augmentation
    refused = owner.post(f"{BAKE_OFFS}{job}/use/", {"candidate": 7}, format="json")
    assert (refused.status_code, "no measured candidate" in refused.json()["error"]["message"]) == (400, True)


def test_a_candidate_that_cannot_be_tuned_says_why_and_wins_nothing_under_a_name_that_is_not_its_own(
    project: Project, run_actors: Callable[[], int]
) -> None:
    owner = client_of(project.owner)
    candidates = [{"backbone": "crowdtune_small", "recipe": recipe} for recipe in ("feature_extraction", "fine_tuning")]
    job = owner.post(BAKE_OFFS, {"candidates": candidates}, format="json").json()["job"]
    run_actors()

    plain, tuned = owner.get(f"{BAKE_OFFS}{job}/").json()["candidates"]

    assert plain["winner"]
    assert (tuned["recipe"], tuned["top1_error"], tuned["winner"]) == ("fine_tuning", None, False)
    assert tuned["failure"].startswith("Fine-tuning needs 60 training images")


@pytest.mark.parametrize(
    "candidates",
    [[], [{"backbone": "resnet_9000"}], [{"backbone": "auto"}], [{"backbone": "vgg16", "recipe": "magic"}], "all"],
)
def test_candidates_that_cannot_be_measured_are_refused(candidates: Any, project: Project) -> None:
    answer = client_of(project.owner).post(BAKE_OFFS, {"candidates": candidates}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


def test_only_managers_compare_and_only_reviewers_look(project: Project, django_user_model: Any) -> None:
    reviewer, stranger = (django_user_model.objects.create_user(name) for name in ("reviewer", "stranger"))
    Membership.objects.create(project=project, user=reviewer, role="reviewer")
    body = {"candidates": [{"backbone": "crowdtune_small"}]}
    job = client_of(project.owner).post(BAKE_OFFS, body, format="json").json()["job"]

    assert client_of(reviewer).post(BAKE_OFFS, body, format="json").status_code == 403
    assert client_of(reviewer).get(f"{BAKE_OFFS}{job}/").status_code == 200
    assert client_of(reviewer).post(f"{BAKE_OFFS}{job}/use/", {"candidate": 0}, format="json").status_code == 403
    assert client_of(stranger).get(f"{BAKE_OFFS}{job}/").status_code == 404


def test_the_front_holds_those_that_nobody_beats_at_error_and_cost() -> None:
    points = [(0.1, 5.0), (0.2, 1.0), (0.2, 2.0), (0.3, 4.0), (None, 0.0), (0.1, 5.0)]
    rows = [{"top1_error": error, "latency": cost, "megabytes": 1.0} for error, cost in points]
    found = with_fronts(rows)
    assert [row["on_front"]["latency"] for row in found] == [True, True, False, False, False, True]
    assert [row["on_front"]["megabytes"] for row in found] == [True, False, False, False, False, True]
