"""Training runs by API: asked for, followed, refused, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from labeling.accounts.keys import create_key
from labeling.models import Consensus, Membership, Project
from tests.training.drawing import labeled_project
from training import services
from training.errors import RunIsLive
from training.models import TrainingRun
from training.runs.progress import Lost, Reporter

RUNS = "/api/v1/projects/shapes/training-runs/"


def client_of(user: Any) -> APIClient:
    return APIClient(headers={"Authorization": f"Token {create_key(user=user)[1]}"})


@pytest.fixture
def owner(project: Project) -> APIClient:
    return client_of(project.owner)


def test_a_run_is_asked_for_and_followed_to_its_version(owner: APIClient, run_actors: Callable[[], int]) -> None:
    asked = owner.post(RUNS, {"backbone": "crowdtune_small", "recipe": "feature_extraction", "augmentation": False})
    assert asked.status_code == 202, asked.json()
    run_actors()

    body = owner.get(f"/api/v1/training-runs/{asked.json()['id']}/").json()

    assert body["state"] == "succeeded", body["failure"]
    assert body["progress"] == 1.0
    assert body["model_version"] == 1
    assert set(body["history"]) >= {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert body["snapshot"]["item_count"] == 60
    assert 0 < body["metrics"]["top1"] <= 1
    assert [row["id"] for row in owner.get(RUNS).json()["results"]] == [body["id"]]


def test_options_may_stand_beside_the_recipe(owner: APIClient) -> None:
    asked = owner.post(RUNS, {"backbone": "crowdtune_small", "seed": 7, "epochs": 3, "options": {"hidden": 4}}).json()
    assert (asked["seed"], asked["options"]) == (7, {"soft_labels": True, "epochs": 3, "hidden": 4})


def test_too_little_to_train_on_is_a_conflict_with_the_reason(db: None) -> None:
    project = labeled_project(count=1)

    refused = client_of(project.owner).post(RUNS, {})

    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "not_enough_labels"
    assert "at least two categories" in refused.json()["error"]["message"]
    assert not TrainingRun.objects.exists()


def test_a_second_run_at_once_is_a_conflict(owner: APIClient) -> None:
    owner.post(RUNS, {})

    second = owner.post(RUNS, {})

    assert (second.status_code, second.json()["error"]["code"]) == (409, "run_is_live")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_started_by_itself_gives_way_to_one_that_is_asked_for(
    owner: APIClient, project: Project, state: str
) -> None:
    own = services.request_run(project=project, cause="new_labels")
    TrainingRun.objects.filter(pk=own.pk).update(state=state, attempts=1)

    asked = owner.post(RUNS, {})

    assert asked.status_code == 202
    own.refresh_from_db()
    assert (own.state, own.log[-1]["message"]) == ("cancelled", "Cancelled: somebody asked for a run of their own.")
    with pytest.raises(Lost):  # in whatever process it is
        Reporter(own).flush()
    with pytest.raises(RunIsLive):
        services.request_run(project=project, cause="new_labels")


def test_where_too_little_is_left_to_train_on_the_run_that_started_by_itself_goes_on(
    owner: APIClient, project: Project
) -> None:
    own = services.request_run(project=project, cause="new_labels")
    Consensus.objects.all().delete()
    assert owner.post(RUNS, {}).status_code == 409
    own.refresh_from_db()
    assert own.state == "queued"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"backbone": "no_such_net"}, "backbone"),
        ({"recipe": "magic"}, "recipe"),
        ({"options": {"wings": 2}}, "wings"),
        ({"options": {"seed": "seven"}}, "seed"),
        ({"options": {"epochs": 0}}, "epochs"),
        ({"options": {"epochs": 10**12}}, "epochs"),
        ({"options": {"seed": -1}}, "seed"),
        ({"seed": "seven"}, "seed"),
        ({"options": {"seed": 2**31}}, "seed"),
        ({"options": {"views": 10**9}}, "views"),
        ({"options": {"hidden": 10**12}}, "hidden"),
        ({"options": {"label_smoothing": 3}}, "label_smoothing"),
        ({"options": {"strength": 0}}, "strength"),
        ({"augmentation": "perhaps"}, "augmentation"),
    ],
)
def test_what_is_not_known_is_refused_by_name(owner: APIClient, body: dict, field: str) -> None:
    refused = owner.post(RUNS, body)

    assert refused.status_code == 400
    assert field in refused.json()["error"]["fields"]


def test_a_number_too_large_for_any_float_is_refused(owner: APIClient) -> None:
    refused = owner.post(RUNS, '{"options": {"strength": 1e999}}', content_type="application/json")

    assert refused.status_code == 400
    assert "1e999 is larger than any number" in refused.json()["error"]["message"]


def test_a_list_of_runs_asks_no_more_for_more_of_them(owner: APIClient, run_actors: Callable[[], int]) -> None:
    counts = []
    for _run in range(2):
        owner.post(RUNS, {})
        run_actors()
        with CaptureQueriesContext(connection) as asked:
            rows = owner.get(RUNS).json()["results"]
        counts.append(len(asked))
    assert [row["model_version"] for row in rows] == [2, 1]
    assert counts[0] == counts[1]


def test_a_queued_run_is_cancelled_and_only_once(owner: APIClient, run_actors: Callable[[], int]) -> None:
    run_id = owner.post(RUNS, {}).json()["id"]

    assert owner.post(f"/api/v1/training-runs/{run_id}/cancel/").json()["state"] == "cancelled"
    run_actors()
    assert owner.get(f"/api/v1/training-runs/{run_id}/").json()["state"] == "cancelled"
    assert owner.post(f"/api/v1/training-runs/{run_id}/cancel/").status_code == 409


def test_the_policy_stands_in_the_projects_own_body(owner: APIClient) -> None:
    before = owner.get("/api/v1/projects/shapes/").json()
    changed = owner.patch("/api/v1/projects/shapes/", {"recipe": "fine_tuning", "automatic_training": False})
    unknown = owner.patch("/api/v1/projects/shapes/", {"backbone": "no_such_net"})

    assert (before["backbone"], before["recipe"], before["automatic_training"]) == ("auto", "feature_extraction", True)
    assert changed.status_code == 200, changed.json()
    assert owner.get("/api/v1/projects/shapes/").json()["recipe"] == "fine_tuning"
    assert unknown.status_code == 400
    assert owner.get("/api/v1/projects/shapes/").json()["backbone"] == "auto"


def test_a_policy_beyond_its_bounds_is_refused_by_its_field(owner: APIClient) -> None:
    beyond = {"max_age_hours": 2**31 - 1, "min_labels_per_category": 1, "min_new_labels": 0, "min_new_share": 1.5}
    for name, value in beyond.items():
        refused = owner.patch("/api/v1/projects/shapes/training-policy/", {name: value})
        assert refused.status_code == 400
        assert list(refused.json()["error"]["fields"]) == [name]


def test_why_no_run_starts_can_be_asked(owner: APIClient) -> None:
    body = owner.get(f"{RUNS}next/").json()

    assert body["new_labels"] == 60
    assert isinstance(body["reason"], str)


def test_only_managers_train_and_only_members_look(project: Project) -> None:
    reviewer, worker = get_user_model().objects.create_user("r"), get_user_model().objects.create_user("w")
    Membership.objects.create(project=project, user=reviewer, role="reviewer")
    Membership.objects.create(project=project, user=worker, role="worker")
    run = client_of(project.owner).post(RUNS, {}).json()["id"]
    stranger = get_user_model().objects.create_user("s")

    for person, look, act in ((reviewer, 200, 403), (worker, 403, 403), (stranger, 404, 404)):
        client = client_of(person)
        assert client.get(RUNS).status_code == look
        assert client.get(f"/api/v1/training-runs/{run}/").status_code == look
        assert client.post(RUNS, {}).status_code == act
        assert client.post(f"/api/v1/training-runs/{run}/cancel/").status_code == act
        assert client.get("/api/v1/projects/shapes/models/").status_code == look
        assert client.post("/api/v1/projects/shapes/models/rollback/").status_code == act
    assert APIClient().get(RUNS).status_code == 401


@pytest.mark.parametrize(
    ("state", "language", "told"),
    [
        ("succeeded", "en", "The run has ended already: it succeeded."),
        ("failed", "en", "The run has ended already: it failed."),
        ("cancelled", "en", "The run was cancelled already."),
        ("cancelled", "hi", "यह दौर पहले ही रद्द किया जा चुका है।"),
    ],
)
def test_cancelling_a_run_that_has_ended_says_how_it_ended(
    owner: APIClient, project: Project, state: str, language: str, told: str
) -> None:
    run = services.request_run(project=project, cause="person")
    TrainingRun.objects.filter(pk=run.pk).update(state=state)
    refused = owner.post(f"/api/v1/training-runs/{run.pk}/cancel/", headers={"Accept-Language": language})
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == told


def test_a_run_beside_another_is_refused_in_the_language_of_who_asks(owner: APIClient, project: Project) -> None:
    services.request_run(project=project, cause="person")
    refused = owner.post(RUNS, {}, headers={"Accept-Language": "hi"})
    assert refused.json()["error"]["code"] == "run_is_live"
    assert "queued" not in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("MobileNetV2", "mobilenet_v2_1.0"), ("VGG16", "vgg16"), ("ResNet50V2", "resnet50_v2"),
        ("EfficientNetV2B0", "efficientnet_v2_b0"), ("ConvNeXtTiny", "convnext_tiny"), ("GoogLeNet", "googlenet"),
        ("auto", "auto"),
    ],
)  # fmt: skip
def test_a_backbone_may_be_called_as_keras_calls_it(owner: APIClient, said: str, key: str) -> None:
    changed = owner.patch("/api/v1/projects/shapes/", {"backbone": said}, format="json")
    assert (changed.status_code, changed.json().get("backbone")) == (200, key)
    policy = owner.patch("/api/v1/projects/shapes/training-policy/", {"backbone": said}, format="json")
    assert (policy.status_code, policy.json().get("backbone")) == (200, key)


@pytest.mark.parametrize(
    ("said", "kept"), [("06:00", "06:00:00"), ("06:00:00Z", "06:00:00"), ("03:30+05:30", "22:00:00"), (None, None)]
)
def test_a_time_of_day_that_names_its_offset_is_kept_as_that_of_utc(
    owner: APIClient, said: str | None, kept: str | None
) -> None:
    policy = owner.patch("/api/v1/projects/shapes/training-policy/", {"daily_at": said}, format="json")
    assert (policy.status_code, policy.json()["daily_at"]) == (200, kept)
    assert owner.patch("/api/v1/projects/shapes/training-policy/", {"daily_at": "6"}, format="json").status_code == 400
