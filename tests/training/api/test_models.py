"""Versions and backbones by API: read, promoted, rolled back, put up as challenger."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from labeling.models import Membership, Project
from tests.training.api.test_runs import RUNS, client_of
from training import services
from training.features import embedding
from training.learning.networks.backbones import BACKBONES
from training.models import AliasChange, ModelVersion, TrainingRun

MODELS = "/api/v1/projects/shapes/models/"


@pytest.fixture
def owner(project: Project, run_actors: Callable[[], int]) -> APIClient:
    """The owner of a project with two versions: the first is champion, the second is a copy that is not."""
    services.request_run(project=project, cause="person")
    run_actors()
    first = ModelVersion.objects.get()
    run = TrainingRun.objects.create(
        project=project, snapshot=first.run.snapshot, cause="person", state="succeeded", backbone="crowdtune_small"
    )
    ModelVersion.objects.create(
        project=project,
        run=run,
        number=2,
        categories=first.categories,
        metrics=first.metrics,
        manifest=first.manifest,
        artifact=first.artifact,
    )
    return client_of(project.owner)


def test_versions_come_newest_first_with_metrics_and_hashes(owner: APIClient) -> None:
    rows = owner.get(MODELS).json()["results"]

    assert [(row["version"], row["alias"]) for row in rows] == [(2, ""), (1, "champion")]
    assert rows[1]["metrics"]["interval"][0] <= rows[1]["metrics"]["top1"] <= rows[1]["metrics"]["interval"][1]
    assert len(rows[1]["hashes"]["head.npz"]) == 64
    assert owner.get(f"{MODELS}1/").json()["decision"].startswith("First model")


def test_lists_carry_a_summary_of_the_metrics_and_details_all_of_them(owner: APIClient) -> None:
    run = f"/api/v1/training-runs/{ModelVersion.objects.get(number=1).run_id}/"
    rows = [owner.get(address).json()["results"][-1] for address in (MODELS, RUNS)]
    details = [owner.get(address).json() for address in (f"{MODELS}1/", run)]

    for row, detail in zip(rows, details, strict=True):
        assert set(detail["metrics"]) - set(row["metrics"]) == {"confusion", "per_class"}
        assert row["metrics"]["interval"] == detail["metrics"]["interval"]


def test_a_person_overrules_the_gate_and_it_is_written_down(owner: APIClient, project: Project) -> None:
    promoted = owner.post(f"{MODELS}2/promote/", {"reason": "it knows the new camera"})

    assert promoted.json()["alias"] == "champion"
    change = AliasChange.objects.get(kind="promote")
    assert (change.version.number, change.replaced and change.replaced.number) == (2, 1)
    assert "it knows the new camera" in change.reason
    assert project.audit.filter(action="model_promote", user=project.owner).exists()

    again = owner.post(f"{MODELS}2/promote/")  # by a program whose answer was lost, or that the gate forestalled
    assert (again.status_code, again.json()["alias"]) == (200, "champion")
    assert AliasChange.objects.filter(kind="promote").count() == 1


def test_rolling_back_walks_back_and_stops_at_the_first(owner: APIClient) -> None:
    owner.post(f"{MODELS}2/promote/")

    assert owner.post(f"{MODELS}rollback/").json()["version"] == 1
    refused = owner.post(f"{MODELS}rollback/")

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "nothing_to_do")


def test_a_person_makes_a_version_challenger_and_withdraws_it_and_it_is_written_down(
    owner: APIClient, project: Project
) -> None:
    made = owner.post(f"{MODELS}2/challenge/", {"reason": "look at it in shadow"})

    assert (made.status_code, made.json()["alias"]) == (200, "challenger")
    assert "look at it in shadow" in AliasChange.objects.get(kind="challenge").reason
    entry = project.audit.get(action="model_challenge", user=project.owner)
    assert entry.changes["challenger"] == [None, 2]
    assert owner.post(f"{MODELS}2/challenge/").status_code == 409

    assert owner.delete(f"{MODELS}2/challenge/").status_code == 204
    assert owner.get(f"{MODELS}2/").json()["alias"] == ""
    assert AliasChange.objects.get(kind="withdraw").version.number == 2
    entry = project.audit.get(action="model_withdraw", user=project.owner)
    assert entry.changes["challenger"] == [2, None]
    assert owner.delete(f"{MODELS}2/challenge/").status_code == 409


def test_an_older_version_challenges_and_the_champion_cannot(owner: APIClient) -> None:
    owner.post(f"{MODELS}2/promote/")

    assert owner.post(f"{MODELS}1/challenge/").json()["alias"] == "challenger"
    refused = owner.post(f"{MODELS}2/challenge/")

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "nothing_to_do")
    assert "cannot challenge itself" in refused.json()["error"]["message"]
    assert owner.post(f"{MODELS}1/promote/").json()["alias"] == "champion"
    assert owner.get(f"{MODELS}2/").json()["alias"] == ""
    assert owner.post(f"{MODELS}2/challenge/").json()["alias"] == "challenger"
    assert owner.post(f"{MODELS}rollback/").json()["version"] == 2
    assert owner.get(f"{MODELS}1/").json()["alias"] == ""


def test_only_managers_choose_the_challenger(owner: APIClient, project: Project) -> None:
    people = {name: get_user_model().objects.create_user(name) for name in ("reviewer", "worker", "stranger")}
    for role in ("reviewer", "worker"):
        Membership.objects.create(project=project, user=people[role], role=role)

    for name, refused in (("reviewer", 403), ("worker", 403), ("stranger", 404)):
        client = client_of(people[name])
        assert client.post(f"{MODELS}2/challenge/").status_code == refused
        assert client.delete(f"{MODELS}2/challenge/").status_code == refused
    assert APIClient().post(f"{MODELS}2/challenge/").status_code == 401
    assert owner.post(f"{MODELS}2/challenge/").status_code == 200


def test_an_unknown_version_is_not_found(owner: APIClient) -> None:
    assert owner.post(f"{MODELS}9/challenge/").status_code == 404
    assert owner.get(f"{MODELS}9/").status_code == 404
    assert owner.post(f"{MODELS}9/promote/").status_code == 404


def test_the_zoo_lists_every_backbone_and_where_its_weights_should_be(owner: APIClient) -> None:
    rows = {row["name"]: row for row in owner.get("/api/v1/backbones/").json()["results"]}

    assert set(rows) == set(BACKBONES) == {row["key"] for row in rows.values()}
    assert rows["alexnet"]["weights_file"] == "", "none was published"
    assert rows["mobilenet_v2_1.0"]["weights_file"] == BACKBONES["mobilenet_v2_1.0"].weights_file
    assert rows["mobilenet_v2_1.0"]["top5_error"] == BACKBONES["mobilenet_v2_1.0"].top5_error


def test_a_version_whose_files_are_gone_is_neither_promoted_nor_made_challenger_nor_gone_back_to(
    owner: APIClient,
) -> None:
    version = ModelVersion.objects.get(number=2)
    version.artifact = f"{version.artifact}-gone"
    version.save()
    for action in ("promote", "challenge"):
        refused = owner.post(f"{MODELS}2/{action}/")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "artifact_damaged")
        assert "Version 2" in refused.json()["error"]["message"]
    first = ModelVersion.objects.get(number=1)
    version.artifact, first.artifact = first.artifact, version.artifact
    version.save()
    assert owner.post(f"{MODELS}2/promote/").status_code == 200
    first.save(update_fields=["artifact"])
    assert owner.post(f"{MODELS}rollback/").json()["error"]["code"] == "artifact_damaged"
    assert ModelVersion.objects.champions().get().number == 2


def test_a_version_that_stands_on_a_damaged_network_is_not_promoted(owner: APIClient) -> None:
    key = ModelVersion.objects.get(number=2).manifest["trunk_key"]
    facts = embedding.trunks_folder() / key / "trunk.json"
    whole = facts.read_text()
    facts.write_text(whole[:40])
    try:
        refused = owner.post(f"{MODELS}2/promote/")
    finally:
        facts.write_text(whole)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "artifact_damaged")
    assert owner.post(f"{MODELS}2/promote/").status_code == 200
