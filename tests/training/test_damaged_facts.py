"""Facts of backbones and trunks that cannot be read any more: pages go on without them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from labeling.errors import CrowdtuneError
from labeling.models import Project
from tests.training.zoo.test_catalogue import call
from training import services
from training.features import embedding
from training.learning.networks import imported
from training.models import ModelVersion
from training.zoo import catalogue

DAMAGED = ["", "{", "[]", "{}", '{"backbone": {}, "source": "", "project": 0}', "\udcff"]


@pytest.fixture
def owner(project: Project, client: Client) -> Client:
    client.force_login(project.owner)
    return client


@pytest.fixture(params=DAMAGED)
def damaged(request: pytest.FixtureRequest) -> Iterator[str]:
    folder = catalogue.folder() / "ours"
    folder.mkdir(parents=True)
    (folder / "backbone.json").write_text(request.param, errors="surrogateescape")
    yield "ours"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    "address",
    ["/backbones/", "/projects/shapes/training/", "/projects/shapes/training/compare/", "/api/v1/backbones/"],
)
def test_a_backbone_whose_facts_are_damaged_breaks_no_page(owner: Client, damaged: str, address: str) -> None:
    assert owner.get(address).status_code == 200


def test_a_damaged_backbone_is_listed_as_that_refused_to_runs_and_can_be_removed(
    project: Project, damaged: str
) -> None:
    assert "damaged" in call("list")
    with pytest.raises(CrowdtuneError, match="does not describe a backbone"):
        services.request_run(project=project, cause="person", backbone=damaged)
    call("remove", damaged)
    assert imported.keys(catalogue.folder()) == []


def test_a_version_whose_trunk_has_damaged_facts_is_shown_all_the_same(
    owner: Client, project: Project, run_actors: Callable[[], int], settings: Any
) -> None:
    services.request_run(project=project, cause="person", backbone="crowdtune_small")
    run_actors()
    manifest = json.loads((settings.DATA_DIR / ModelVersion.objects.get().artifact / "manifest.json").read_text())
    facts = embedding.trunks_folder() / manifest["trunk_key"] / "trunk.json"
    whole = facts.read_text()
    image = project.images.order_by("id")[0]
    try:
        for text in ("", whole[:40], "[]", "{}"):
            facts.write_text(text)
            for address in ("models/", "models/1/", "serving/", f"training/insights/?image={image.pk}", "training/"):
                assert owner.get(f"/projects/shapes/{address}").status_code == 200
    finally:
        facts.write_text(whole)
