"""Backbones beside the zoo: a champion's network, and an operator's file; everything works with them as with others."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from inference import services as inference
from labeling.models import Project
from tests.training.drawing import labeled_project
from tests.training.trunks import export_here
from training import services
from training.errors import BadRequest, NothingToDo
from training.features import embedding
from training.features.answers import answers_of
from training.features.embedding import Picture
from training.learning.errors import WeightsMissing
from training.learning.export import export
from training.learning.networks import imported
from training.learning.networks.trunk import sample_pictures
from training.learning.networks.weights import require
from training.models import ModelVersion, TrainingRun
from training.zoo import catalogue, table

# A head so weak that the block behind it has something to learn.
TUNED = {"recipe": "fine_tuning", "options": {"epochs": 1, "strength": 0.001}}


@pytest.fixture(autouse=True)
def own_backbones(db: None) -> Iterator[None]:
    """No test finds another's; trunks and features stay where they are: making them takes seconds."""
    yield
    for name in imported.keys(catalogue.folder()):
        imported.forget(name, catalogue.folder())


def train(project: Project, run_actors: Callable[[], int], **wishes: Any) -> ModelVersion:
    run = services.request_run(project=project, cause="person", **wishes)
    run_actors()
    run.refresh_from_db()
    assert run.state == "succeeded", run.failure
    return ModelVersion.objects.get(run=run)


def told(run: TrainingRun) -> str:
    return " ".join(line["message"] for line in run.log)


def saved_network(path: Path) -> None:
    """Maps after two blocks, of which the last can be cut off."""
    import keras

    keras.utils.set_random_seed(2)
    inputs = keras.Input((48, 48, 3))
    x = keras.layers.Conv2D(12, 5, strides=4, activation="relu", name="block1")(inputs)
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu", name="block2")(x)
    keras.Model(inputs, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x))).save(path)


def call(*arguments: str) -> str:
    out = io.StringIO()
    call_command("backbones", *arguments, stdout=out)
    return out.getvalue()


def test_without_a_champion_or_after_extraction_the_run_stands_on_the_same_network(
    project: Project, run_actors: Callable[[], int]
) -> None:
    first = train(project, run_actors, backbone="champion")
    second = train(project, run_actors, backbone="champion")

    assert first.run.backbone == second.run.backbone == "crowdtune_small"
    assert "no champion to go on from" in told(first.run)
    assert "left its network as it was" in told(second.run)


@pytest.mark.slow
@pytest.mark.usefixtures("cut_trunk_here")
def test_what_a_champion_has_learned_is_its_own_projects_to_go_on_from_and_where_adopted_everyones(
    db: None, run_actors: Callable[[], int]
) -> None:
    project = labeled_project(count=110)
    first = train(project, run_actors, **TUNED)
    others_stand_on_what_was_adopted_alone(project, run_actors)
    a_run_goes_on_from_it(project, first, run_actors)


def others_stand_on_what_was_adopted_alone(project: Project, run_actors: Callable[[], int]) -> None:
    other = labeled_project("others", count=40)
    own, _note = catalogue.going_on_from(project)
    with pytest.raises(BadRequest, match="no backbone"):
        services.request_run(project=other, cause="person", backbone=own)
    assert own in [entry.key for entry in table.entries(settings.KERAS_HOME, project)]
    assert own not in [entry.key for entry in table.entries(settings.KERAS_HOME, other)]

    assert "SHA-256" in call("adopt", "shapes", "--key", "shapes_net")
    export_here("shapes_net")
    assert train(other, run_actors, backbone="shapes_net").manifest["backbone_title"] == "shapes, version 1"
    assert "used by others" in call("list")
    with pytest.raises(CommandError, match="is used by others"):
        call("remove", "shapes_net")


def a_run_goes_on_from_it(project: Project, first: ModelVersion, run_actors: Callable[[], int]) -> None:
    services.set_policy(project=project, changes={"backbone": "champion"})
    export_here(f"champion-{project.pk}-1")
    head = train(project, run_actors, recipe="feature_extraction")
    services.promote(version=first, user=None) if first.alias != "champion" else None
    second = train(project, run_actors, **TUNED)

    assert head.run.backbone == second.run.backbone == f"champion-{project.pk}-1"
    assert head.manifest["trunk_key"] != first.manifest["trunk_key"]  # features of the retrained network
    # What lies before the cut was never retrained: its activations are those that the first run has cached.
    assert second.manifest["trunk_key"] == first.manifest["trunk_key"]
    assert second.manifest["verification"]["passed"]
    assert second.manifest["backbone_title"].endswith("of version 1")
    arrays = [dict(np.load(settings.DATA_DIR / version.artifact / "tail.npz")) for version in (first, second)]
    assert not np.array_equal(arrays[0]["w0"], arrays[1]["w0"])
    pictures = [Picture(item.sha256, item.image.original) for item in second.run.snapshot.items.all()[:8]]
    assert answers_of(head, pictures)[1].all()
    services.promote(version=second, user=None) if second.alias != "champion" else None
    third, _note = catalogue.going_on_from(project)
    assert catalogue.backbone_of(third).root == catalogue.backbone_of("crowdtune_small")
    job = inference.start_download(project=project, user=None, output="keras")
    run_actors()
    job.refresh_from_db()
    assert job.state == "succeeded", job.message


def test_a_file_stays_while_another_backbone_is_made_of_it_or_a_run_wants_it(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"weights")
    zoo_net = catalogue.backbone_of("mobilenet_v2_0.35")
    made = replace(zoo_net, key="street_net", builder="file", weights_file="net.keras", weights_hash="")
    first = imported.store(made, file, catalogue.folder(), source="file net.keras")
    tail = replace(first, key="streets", builder="tail", weights_file="tail.npz", root=first, root_sha256=first.sha256)
    imported.store(tail, file, catalogue.folder(), source="version 1 of streets")

    with pytest.raises(NothingToDo, match="used by streets"):
        catalogue.remove(key="street_net")
    catalogue.remove(key="streets")
    services.request_run(project=project, cause="person", backbone="street_net")
    with pytest.raises(NothingToDo, match="used by shapes"):
        catalogue.remove(key="street_net")
    TrainingRun.objects.update(state="failed")
    catalogue.remove(key="street_net")
    assert imported.keys(catalogue.folder()) == []


@pytest.mark.slow
def test_a_file_of_an_operator_is_a_backbone_like_others(
    db: None, run_actors: Callable[[], int], tmp_path: Path
) -> None:
    project = labeled_project(count=110)
    saved_network(tmp_path / "net.keras")
    manifest = {"key": "street_net", "title": "Street net", "size": 48, "preprocessing": "tf", "licence": "MIT"}
    (tmp_path / "net.json").write_text(json.dumps(manifest | {"layer": "block2", "cut": "block1"}))
    call("add", str(tmp_path / "net.keras"), "--manifest", str(tmp_path / "net.json"))

    export_here("street_net")
    export_here("street_net", "block1")
    head = train(project, run_actors, backbone="street_net")
    tuned = train(project, run_actors, backbone="street_net", **TUNED)

    backbone = catalogue.backbone_of("street_net")
    assert backbone.parameters == 12 * (5 * 5 * 3 + 1) + 16 * (3 * 3 * 12 + 1)
    assert head.manifest["verification"]["passed"]
    assert tuned.manifest["verification"]["passed"]
    assert head.manifest["size"] == 48
    assert head.manifest["backbone_licence"] == "MIT"
    for version in (head, tuned):
        left = export(
            settings.DATA_DIR / version.artifact, "keras", tmp_path / version.manifest["recipe"], backbone=backbone,
            weights=require(backbone, settings.KERAS_HOME), pictures=sample_pictures(4, 48),
        )  # fmt: skip
        assert left["verification"]["passed"]
    file = catalogue.folder() / "street_net" / "network.keras"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(WeightsMissing, match="was cut off or changed"):
        require(backbone, settings.KERAS_HOME)


def test_what_the_operator_says_has_to_fit(db: None, tmp_path: Path) -> None:
    saved_network(tmp_path / "net.keras")
    file, plain = str(tmp_path / "net.keras"), ["--title", "t", "--size", "48", "--preprocessing", "tf"]
    for arguments, said in (
        ([*plain, "--licence", "MIT"], "Missing: key"),
        ([*plain, "--licence", "MIT", "--key", "vgg16"], "cannot be the name"),
        ([*plain, "--licence", "MIT", "--key", "champion-1-1"], "cannot be the name"),
        ([*plain, "--licence", "MIT", "--key", "../up"], "cannot be the name"),
        ([*plain, "--licence", "MIT", "--key", "mine", "--sha256", "0" * 64], "expected 0000"),
        ([*plain, "--licence", "MIT", "--key", "mine", "--cut", "nowhere"], "cannot be cut"),
    ):
        with pytest.raises(CommandError, match=said):
            call("add", file, *arguments)
    assert imported.keys(catalogue.folder()) == []
    call("add", file, *plain, "--licence", "MIT", "--key", "mine")
    with pytest.raises(CommandError, match="already"):
        call("add", file, *plain, "--licence", "MIT", "--key", "mine")
    call("remove", "mine")
    assert catalogue.known("mine") is None


def test_another_file_than_the_one_that_was_meant_is_refused_before_it_is_opened(db: None, tmp_path: Path) -> None:
    file = tmp_path / "net.keras"
    file.write_bytes(b"what nobody should open")
    said = [str(file), "--key", "mine", "--title", "t", "--size", "48", "--preprocessing", "tf", "--licence", "MIT"]
    with pytest.raises(CommandError, match="expected 0000"):
        call("add", *said, "--sha256", "0" * 64)
    with pytest.raises(CommandError, match=r"is no \.keras file"):
        call("add", *said, "--sha256", hashlib.sha256(file.read_bytes()).hexdigest().upper())
    file.unlink()
    with pytest.raises(CommandError, match="cannot be read"):
        call("add", *said, "--sha256", "0" * 64)


def test_what_a_version_is_looked_into_by_is_the_network_of_now_and_not_one_that_had_its_name(
    db: None, tmp_path: Path
) -> None:
    saved_network(tmp_path / "net.keras")
    said = ["--key", "mine", "--title", "t", "--size", "48", "--preprocessing", "tf", "--licence", "MIT"]
    call("add", str(tmp_path / "net.keras"), *said, "--layer", "block1")
    export_here("mine")
    assert embedding.trunk_of("mine").dim == 12
    call("remove", "mine")
    call("add", str(tmp_path / "net.keras"), *said, "--layer", "block2")

    assert embedding.trunk_facts("mine") is None
    export_here("mine")
    trunk = embedding.trunk_of("mine")
    assert embedding.trunk_facts("mine") == {"key": trunk.key, "dim": 16, "size": 48}


@pytest.mark.parametrize(
    ("written", "said"), [("", "cannot be read"), ("[1]", "one object"), ('{"size": "160"}', "size must be int")]
)
def test_a_manifest_that_cannot_be_used_is_refused_in_a_sentence(written: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(written)
    with pytest.raises(CommandError, match=said):
        call("add", str(tmp_path / "net.keras"), "--manifest", str(tmp_path / "net.json"))
    with pytest.raises(CommandError, match="cannot be read"):
        call("add", str(tmp_path / "net.keras"), "--manifest", str(tmp_path / "none.json"))
