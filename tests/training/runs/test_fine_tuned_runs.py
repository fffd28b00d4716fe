"""Runs that retrain a part of the network, or see augmented views, and what they fall back to."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from labeling.models import Project
from tests.training.drawing import draw, labeled_project
from tests.training.learning.conftest import SMALL
from tests.training.runs.test_running import train
from tests.training.trunks import export_here
from training.features.answers import answers_of
from training.features.embedding import Picture
from training.learning import tuning
from training.models import ModelVersion, TrainingRun
from training.runs import progress, running
from training.services import set_policy
from training.versions.card import card_of


def test_a_run_with_too_little_for_fine_tuning_falls_back_before_it_imports_keras_and_says_why(
    project: Project, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("finetune", "keras_loop"):  # None keeps the interpreter from importing them
        monkeypatch.setitem(sys.modules, f"training.learning.tuning.{name}", None)
        monkeypatch.delattr(tuning, name, raising=False)

    run = train(project, run_actors, recipe="fine_tuning")

    assert (run.state, run.recipe, run.failure) == ("succeeded", "feature_extraction", "")
    assert any("Falling back to feature extraction" in line["message"] for line in run.log)
    assert ModelVersion.objects.get().manifest["recipe"] == "feature_extraction"
    assert run.epoch == run.epochs == len(run.history["loss"]) > 0


@pytest.mark.slow
def test_deeper_fine_tuning_retrains_more_than_the_last_block(db: None, run_actors: Callable[[], int]) -> None:
    project = labeled_project(count=110)
    export_here(SMALL.key, SMALL.deeper)

    run = train(project, run_actors, recipe="fine_tuning_deeper", options={"epochs": 1})

    assert run.state == "succeeded", run.failure
    manifest = run.model_version.manifest
    assert manifest["cut"] == SMALL.deeper != SMALL.cut
    assert manifest["verification"]["passed"]
    assert "more of the pretrained network than its last block" in card_of(manifest)


@pytest.mark.slow
@pytest.mark.usefixtures("cut_trunk_here")
@pytest.mark.parametrize("augmentation", [False, True])
def test_fine_tuning_makes_a_version_that_answers_as_it_was_measured(
    augmentation: bool, db: None, run_actors: Callable[[], int]
) -> None:
    project = labeled_project(count=110)

    run = train(
        project,
        run_actors,
        recipe="fine_tuning",
        augmentation=augmentation,
        options={"epochs": 2, "views": 1},
    )

    assert run.state == "succeeded", run.failure
    version = ModelVersion.objects.get()
    assert (version.manifest["recipe"], version.manifest["cut"]) == ("fine_tuning", SMALL.cut)
    assert "tail.xml" in version.manifest["files"]
    assert len(run.history["val_loss"]) == 2
    log = " ".join(line["message"] for line in run.log)
    assert ("No epoch was better" in log) != ("Retraining it once more" in log)
    test = list(run.snapshot.items.filter(split="test").order_by("sha256"))
    said, found = answers_of(version, [Picture(item.sha256, item.image.original) for item in test])
    assert found.all()
    right = [version.categories[k] == item.label for k, item in zip(said.argmax(axis=1), test, strict=True)]
    assert np.mean(right) == version.metrics["top1"]


@pytest.mark.usefixtures("cut_trunk_here")
def test_a_run_cancelled_while_the_last_block_is_retrained_ends_there(
    db: None, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.learning.tuning import keras_loop

    saved: list[int] = []

    def cancelled_after(state: keras_loop._State, epoch: int) -> None:
        saved.append(epoch)
        TrainingRun.objects.filter(state="running").update(cancel_requested=True)

    monkeypatch.setattr(keras_loop._State, "save", cancelled_after)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0)  # else a word so soon after the last one is not told

    run = train(labeled_project(count=110), run_actors, recipe="fine_tuning", options={"epochs": 3})

    assert (run.state, run.stage, saved) == ("cancelled", "tune", [1])
    assert not ModelVersion.objects.exists()
    assert not running.folder_of(run).exists()


def test_augmentation_without_fine_tuning_keeps_its_views(db: None, run_actors: Callable[[], int]) -> None:
    # Pictures of its own: the store is by content, and another test may have put the views of the usual ones there.
    project = labeled_project(count=48, drawn=lambda kind, seed: draw(kind, seed + 9_000))
    first = train(project, run_actors, augmentation=True, options={"views": 2})
    second = train(project, run_actors, augmentation=True, options={"views": 2})

    assert first.state == second.state == "succeeded", first.failure + second.failure
    assert first.cost["embedded"] >= 2 * sum(first.snapshot.counts["train"].values())
    assert second.cost["embedded"] == 0
    assert first.metrics == second.metrics
    assert "- Augmentation: yes;" in card_of(second.model_version.manifest)

    set_policy(project=project, changes={"mirror": False})  # writing, digits, signs
    third = train(project, run_actors, augmentation=True, options={"views": 2})

    assert third.options["mirror"] is False
    assert third.cost["embedded"] >= 2 * sum(third.snapshot.counts["train"].values())  # other views than those
    assert "- Augmentation: yes, never mirrored;" in card_of(third.model_version.manifest)


def test_a_card_says_where_nothing_was_won_by_fine_tuning(project: Project, run_actors: Callable[[], int]) -> None:
    manifest = train(project, run_actors).model_version.manifest
    assert manifest["categories"] == ["circle", "square"]
    rows = [f"| {name} | {manifest['metrics']['per_class'][name]['precision']:.3f}" for name in ("square", "circle")]
    manifest["metrics"]["fit"]["best_epoch"] = 0
    manifest |= {"recipe": "fine_tuning", "categories": ["square", "circle"]}

    card = card_of(manifest)

    assert "No epoch was better beyond chance than the head on the frozen network" in card
    assert "Best epoch" not in card
    assert 0 < card.index(rows[0]) < card.index(rows[1])  # the owner's order, whatever the database keeps
