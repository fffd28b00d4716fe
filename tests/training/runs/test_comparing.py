"""Where a new version and the champion meet, and in what order their answers stand."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from PIL import Image as Pillow

from labeling.models import Image, Project
from tests.training.drawing import SHAPES, add_image, add_images, draw, label, label_all, make_project
from training import services
from training.features.embedding import Picture
from training.learning.metrics import bootstrap
from training.learning.networks import imported
from training.learning.rows import Rows
from training.models import LearnedPictures, ModelVersion, TrainingRun
from training.runs import queueing
from training.runs.comparing import (
    _in_folds,
    _new_since,
    in_order,
    learned_by,
    side_by_side,
    strata_weights,
    weights_of,
)
from training.runs.progress import Reporter
from training.runs.stages.work import Items, Work, load_items
from training.versions.gate import log_losses, verdict
from training.zoo import catalogue


def version_of(run: TrainingRun, number: int) -> ModelVersion:
    """What the run would have made; the next one may begin."""
    TrainingRun.objects.filter(pk=run.pk).update(state="succeeded")
    return ModelVersion.objects.create(
        project=run.project, run=run, number=number, categories=run.snapshot.categories, artifact=f"models/1/{number}"
    )


def test_columns_follow_the_wanted_order() -> None:
    said = np.array([[0.1, 0.2, 0.7]])

    assert in_order(said, ["cat", "dog", "fox"], ["fox", "cat", "dog"]).tolist() == [[0.7, 0.1, 0.2]]


def test_a_category_that_the_version_does_not_know_has_no_probability() -> None:
    said = np.array([[0.4, 0.6]])

    assert in_order(said, ["cat", "dog"], ["cat", "yak", "dog"]).tolist() == [[0.4, 0.0, 0.6]]


def test_beside_the_test_part_versions_meet_on_what_is_new_since_the_champion_and_only_there(project: Project) -> None:
    first = queueing.create_run(project=project, cause="person")
    champion = version_of(first, 1)
    new = {add_image(project, draw("square", seed)) for seed in range(500, 520)}
    for image in new:
        label(image, "square")
    run = queueing.create_run(project=project, cause="person")
    work = Work(run, Reporter(run), Path(), load_items(run), list(run.snapshot.categories))

    fresh = _new_since(work, learned_by([champion.run], work.items, standing=[run]))

    learned = run.snapshot.items.exclude(split="test").filter(image__in=new)
    assert {work.items.image_ids[place] for place in fresh} == set(learned.values_list("image_id", flat=True))
    assert len(fresh)
    old = first.snapshot.items.filter(split="train").order_by("sha256").values_list("image_id", flat=True)[0]
    Image.objects.filter(pk__in=[old, work.items.image_ids[fresh[0]]]).delete()  # while the run works
    assert _new_since(work, learned_by([champion.run], work.items, standing=[run])).tolist() == fresh.tolist()
    run.recipe = "fine_tuning"  # too dear to be fitted in folds
    assert not len(_new_since(work, learned_by([champion.run], work.items, standing=[run])))


@pytest.mark.parametrize("stands", ["the new head", "the champion", "neither"])
def test_what_a_retrained_network_has_learned_is_not_new_to_what_stands_on_it(
    stands: str, project: Project, tmp_path: Path
) -> None:
    """The champion stands on it; or the new head does, after a rollback to the version before."""
    first = queueing.create_run(project=project, cause="person")
    champion = version_of(first, 1)
    for seed in range(500, 510):
        label(add_image(project, draw("square", seed)), "square")
    tuned = version_of(queueing.create_run(project=project, cause="person"), 2)
    (tmp_path / "tail.npz").write_bytes(b"arrays")
    zoo_net = catalogue.backbone_of("crowdtune_small")
    made = replace(zoo_net, key="tuned", builder="tail", weights_file="tail.npz", root=zoo_net)
    imported.store(made, tmp_path / "tail.npz", catalogue.folder(), source="version 2", version=tuned.pk)
    later = [add_image(project, draw("square", seed)) for seed in range(600, 620)]
    for image in later:
        label(image, "square")
    run = queueing.create_run(project=project, cause="person")
    if stands != "neither":
        (run if stands == "the new head" else champion.run).backbone = "tuned"
    work = Work(run, Reporter(run), Path(), load_items(run), list(run.snapshot.categories))

    fresh = _new_since(work, learned_by([champion.run], work.items, standing=[run]))

    imported.forget("tuned", catalogue.folder())
    between = tuned.run.snapshot.items.exclude(split="test").exclude(image__in=first.snapshot.items.values("image"))
    expected = run.snapshot.items.exclude(split="test").filter(image__in=later).values_list("image_id", flat=True)
    unseen = set(expected) | (set(between.values_list("image_id", flat=True)) if stands == "neither" else set())
    assert len(between)
    assert {work.items.image_ids[place] for place in fresh} == unseen


def test_a_picture_that_was_uploaded_again_is_not_new_to_the_champion_that_learned_it(
    project: Project, run_actors: Callable[[], int]
) -> None:
    first = services.request_run(project=project, cause="person")
    run_actors()
    champion = ModelVersion.objects.get()
    learned = set(first.snapshot.items.exclude(split="test").values_list("sha256", flat=True))
    known = [(image.name, image.name[4:-4]) for image in project.images.order_by("id")]
    Image.objects.filter(project=project).delete()
    assert not first.snapshot.items.exists()
    for name, kind in known:
        label(add_image(project, draw(kind, int(name[:3])), name), kind)
    # Of their own seeds: what other tests have embedded stays in the store, and could not be lost.
    new = {add_image(project, draw("square", seed)) for seed in range(6_000, 6_030)}
    for image in new:
        label(image, "square")
    run = queueing.create_run(project=project, cause="person")
    work = Work(run, Reporter(run), Path(), load_items(run), list(run.snapshot.categories))

    fresh = _new_since(work, learned_by([champion.run], work.items, standing=[run]))

    added = run.snapshot.items.exclude(split="test").filter(image__in=new)
    assert {work.items.image_ids[place] for place in fresh} == set(added.values_list("image_id", flat=True))

    # One that was on the champion's side as a near-duplicate is held out without the other; one cannot be read.
    moved = next(place for place, picture in enumerate(work.items.pictures) if picture.sha256 in learned)
    work.items.split[moved] = "test"
    test, ids = work.items.side("test"), {image.pk for image in new}
    lost = next(place for place in test if work.items.image_ids[place] in ids)
    default_storage.delete(work.items.pictures[lost].original)
    work.test_probabilities = np.column_stack([test, test])
    run.recipe = "fine_tuning"  # no folds

    places, said, champion_said, answered = side_by_side(work, champion)

    assert places.tolist() == said[:, 0].tolist() == [place for place in test if place not in (moved, lost)]
    assert champion_said.any(axis=1).all()
    assert answered.tolist() == champion_said.argmax(axis=1).tolist()
    assert set(answered) == {0, 1}

    work.categories.remove("circle")  # the survey has it no longer: who says so is not taken to say the next best
    assert side_by_side(work, champion)[-1].tolist() == (answered - 1).tolist()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_however_few_pictures_a_champion_has_learned_they_are_known_again(number: int, project: Project) -> None:
    """Of its snapshot one alone may be left: the others were deleted before anybody wrote down what was learned."""
    run = queueing.create_run(project=project, cause="person")
    work = Work(run, Reporter(run), Path(), load_items(run), list(run.snapshot.categories))
    shas = np.array([picture.sha256 for picture in work.items.pictures])
    learned = shas.argsort()[::-1][:number]  # the largest numbers that they make
    hashes = b"".join(bytes.fromhex(sha256)[:8] for sha256 in shas[learned])
    LearnedPictures.objects.filter(snapshot=run.snapshot).update(hashes=hashes)

    assert np.flatnonzero(learned_by([run], work.items)).tolist() == sorted(learned.tolist())


def test_a_dense_head_meets_the_champion_as_a_dense_head() -> None:
    """By what no linear head can learn: whether two signs are the same."""
    x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    items = Items(
        list(range(400)), [Picture("", "")] * 400, labels, np.eye(2, dtype=np.float32)[labels],
        np.ones(400, np.float32), np.full(400, "train"),
    )  # fmt: skip
    voice: Any = SimpleNamespace(tick=lambda: None)
    run = TrainingRun(options={"hidden": 16, "learning_rate": 0.05}, seed=0)
    work = Work(
        run, voice, Path(), items, ["a", "b"], features=Rows.of(x), fit_facts={"strength": 1.0, "best_epoch": 40}
    )

    assert (_in_folds(work).argmax(axis=1) == labels).mean() > 0.9


def test_a_head_knows_no_image_by_its_near_duplicate() -> None:
    """Labels by lot, each image twice: whoever has seen the other knows it, and nobody else."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(150, 200)), 2, axis=0) + rng.normal(0, 0.01, (300, 200))
    labels = np.repeat(rng.integers(0, 2, 150), 2)
    items = Items(
        list(range(300)), [Picture("", "")] * 300, labels, np.eye(2, dtype=np.float32)[labels],
        np.ones(300, np.float32), np.full(300, "train"), np.repeat(np.arange(150), 2),
    )  # fmt: skip
    voice: Any = SimpleNamespace(tick=lambda: None)
    work = Work(
        TrainingRun(options={}, seed=0), voice, Path(), items, ["a", "b"], features=Rows.of(x.astype(np.float32)),
        fit_facts={"strength": 1.0, "best_epoch": 40},
    )  # fmt: skip

    assert abs((_in_folds(work).argmax(axis=1) == labels).mean() - 0.5) < 0.1
    items.groups = np.arange(300)
    assert (_in_folds(work).argmax(axis=1) == labels).mean() > 0.8


def test_near_duplicates_have_one_number_and_are_as_known_to_the_champion_as_what_it_learned(project: Project) -> None:
    first = queueing.create_run(project=project, cause="person")
    champion = version_of(first, 1)
    learned = first.snapshot.items.filter(split="train").select_related("image").order_by("sha256")[0].image
    buffer = io.BytesIO()
    with default_storage.open(learned.original) as file, Pillow.open(file) as picture:
        picture.resize((96, 96)).save(buffer, "PNG")
    copy = add_image(project, buffer.getvalue(), "copy.png")
    label(copy, "square")
    run = queueing.create_run(project=project, cause="person")
    work = Work(run, Reporter(run), Path(), load_items(run), list(run.snapshot.categories))

    place, other = (work.items.image_ids.index(image.pk) for image in (learned, copy))

    assert work.items.groups[place] == work.items.groups[other]
    assert len(set(work.items.groups.tolist())) == len(work.items) - 1
    assert other not in _new_since(work, learned_by([champion.run], work.items, standing=[run]))


def two_models(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What two equally good models say of images of two categories, and what these are."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 2, n)
    odds = truth + rng.normal(0, 1.2, (2, n))
    shares = 1 / (1 + np.exp(-odds))
    labels = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(int)
    one, other = (np.stack([1 - share, share], axis=1) for share in shares)
    return one, other, labels


def test_images_that_were_asked_for_because_the_champion_was_unsure_speak_for_no_other_model() -> None:
    champion, new, labels = two_models(20_000, 3)
    held_out = np.arange(20_000) < 1000
    unsure = np.argsort(np.where(held_out, 1, champion.max(axis=1)))[:2000]
    at = np.concatenate([np.flatnonzero(held_out), unsure])
    weights = strata_weights(champion.max(axis=1)[at], held_out[at])
    right, champion_right = (said.argmax(axis=1) == labels for said in (new, champion))
    target = np.eye(2)[labels][at]
    losses = {"losses": log_losses(new[at], target), "champion_losses": log_losses(champion[at], target)}

    def decided(by: np.ndarray | None) -> str:
        return verdict(right=right[at], champion_right=champion_right[at], champion="x", weights=by, **losses).alias

    assert weights is not None
    assert abs(right.mean() - champion_right.mean()) < 0.01  # of all images
    assert decided(None) == "champion"
    assert decided(weights) == "challenger"
    assert np.average(champion_right[at], weights=weights) == pytest.approx(champion_right.mean(), abs=0.03)
    assert champion_right[at].mean() < champion_right.mean() - 0.1


def test_images_are_weighed_by_the_champions_own_held_out_ones(project: Project) -> None:
    run = queueing.create_run(project=project, cause="person")
    champion = version_of(run, 1)
    work = Work(run, Reporter(run), Path(), load_items(run), list(run.snapshot.categories))
    held_out = [work.items.image_ids[place] for place in work.items.side("test")]
    assert weights_of(champion, held_out, np.linspace(0.5, 1, len(held_out))) is None  # nothing was chosen

    sure = np.concatenate([np.linspace(0.5, 1, 20), np.full(60, 0.6)])
    weights = strata_weights(sure, np.arange(80) < 20)

    assert weights is not None
    assert weights.mean() == pytest.approx(1)
    assert weights[sure <= 0.75].tolist() == pytest.approx([40 / 70] * 70)  # half of the reference, 70 of 80
    assert weights[sure > 0.75].tolist() == pytest.approx([4.0] * 10)
    assert strata_weights(np.ones(80), np.arange(80) < 40) == pytest.approx(np.ones(80))
    assert strata_weights(sure, np.arange(80) < 19) is None


def test_each_image_has_a_weight_where_the_champion_is_as_sure_of_many() -> None:
    sure = np.concatenate([np.full(20, 0.9), np.full(10, 1.0), np.linspace(0.5, 1, 40)])

    weights = strata_weights(sure, np.arange(70) < 30)

    assert weights is not None
    assert (weights > 0).all()
    assert np.isfinite(bootstrap(np.ones(70), weights, np.arange(70))).all()


@pytest.mark.parametrize(("known", "are_weighed"), [(60, False), (160, True)])
def test_a_project_whose_crowd_meets_a_new_category_gets_a_champion_that_knows_it(
    known: int, are_weighed: bool, db: None, run_actors: Callable[[], int]
) -> None:
    """From the first labels of it through the run and the gate, whether or not images are weighed there."""
    project = make_project("shapes", SHAPES)

    def labeled(kinds: Sequence[str], start: int) -> ModelVersion:
        files = {f"{seed}-{kind}.png": draw(kind, seed) for seed, kind in enumerate(kinds, start)}
        label_all(list(zip(add_images(project, files), kinds, strict=True)))
        services.request_run(project=project, cause="person")
        run_actors()
        return ModelVersion.objects.latest("number")

    first = labeled(SHAPES[:2] * (known // 2), 0)
    assert (first.categories, first.alias) == (list(SHAPES[:2]), "champion")

    second = labeled(SHAPES[2:] * 30, 500)

    assert (second.categories, second.alias) == (list(SHAPES), "champion"), second.decision
    assert second.decision.startswith("Better than version 1")
    assert ("as they do among its own held-out ones" in second.decision) == are_weighed
    assert ("Newer images are often those that version 1 was unsure of" in second.decision) != are_weighed
    first.refresh_from_db()
    assert first.alias == ""


@pytest.mark.parametrize("is_sure", [True, False])
def test_who_knows_a_category_that_the_champion_never_saw_becomes_champion(is_sure: bool) -> None:
    """Thirty images of it came back; of what both know they say the same, up to what two fits differ by."""
    champion, new, labels = two_models(130, 5)
    fresh, rng = np.arange(130) >= 100, np.random.default_rng(0)
    labels[fresh] = 2
    champion, new = (np.column_stack([said, np.zeros(130)]) for said in (champion, new))
    unsure = rng.uniform(0.5, 0.6, (30, 1))
    champion[fresh] = np.array([0.99, 0.01, 0]) if is_sure else np.hstack([unsure, 1 - unsure, 0 * unsure])
    new[fresh] = [0.1, 0.1, 0.8]
    target = np.eye(3)[labels]
    weights = strata_weights(champion.max(axis=1), ~fresh)

    decided = verdict(
        right=new.argmax(axis=1) == labels, champion_right=champion.argmax(axis=1) == labels, champion="x",
        losses=log_losses(new, target), champion_losses=log_losses(champion, target), weights=weights,
    )  # fmt: skip

    assert weights is not None
    assert decided.alias == "champion", decided.reason
