"""Where a new version and the champion meet, and in what order their answers stand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from labeling.models import Image, Project
from tests.training.drawing import add_image, draw, label
from training.features.embedding import Picture
from training.learning.rows import Rows
from training.models import ModelVersion, TrainingRun
from training.runs import queueing
from training.runs.comparing import _in_folds, _new_since, in_order
from training.runs.progress import Reporter
from training.runs.stages.work import Items, Work, load_items


def test_columns_follow_the_wanted_order() -> None:
    said = np.array([[0.1, 0.2, 0.7]])

    assert in_order(said, ["cat", "dog", "fox"], ["fox", "cat", "dog"]).tolist() == [[0.7, 0.1, 0.2]]


def test_a_category_that_the_version_does_not_know_has_no_probability() -> None:
    said = np.array([[0.4, 0.6]])

    assert in_order(said, ["cat", "dog"], ["cat", "yak", "dog"]).tolist() == [[0.4, 0.0, 0.6]]


def test_beside_the_test_part_versions_meet_on_what_is_new_since_the_champion_and_only_there(project: Project) -> None:
    first = queueing.create_run(project=project, cause="person")
    champion = ModelVersion.objects.create(
        project=project, run=first, number=1, categories=first.snapshot.categories, artifact="models/1/1"
    )
    TrainingRun.objects.update(state="succeeded")
    new = {add_image(project, draw("square", seed)) for seed in range(500, 520)}
    for image in new:
        label(image, "square")
    run = queueing.create_run(project=project, cause="person")
    items = load_items(run)

    fresh = _new_since(Work(run, Reporter(run), Path(), items, list(run.snapshot.categories)), champion)

    learned = run.snapshot.items.exclude(split="test").filter(image__in=new)
    assert {items.image_ids[place] for place in fresh} == set(learned.values_list("image_id", flat=True))
    assert len(fresh)
    gone = items.image_ids[fresh[0]]
    Image.objects.get(pk=gone).delete()  # while the run works: what the champion learned of it cannot be known any more
    left = _new_since(Work(run, Reporter(run), Path(), items, []), champion)
    assert [items.image_ids[place] for place in left] == [items.image_ids[place] for place in fresh[1:]]
    run.recipe = "fine_tuning"  # too dear to be fitted in folds
    assert not len(_new_since(Work(run, Reporter(run), Path(), items, []), champion))


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
