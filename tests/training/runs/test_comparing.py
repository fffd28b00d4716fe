"""Where a new version and the champion meet, and in what order their answers stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labeling.models import Project
from tests.training.drawing import add_image, draw, label
from training.models import ModelVersion, TrainingRun
from training.runs import queueing
from training.runs.comparing import _new_since, in_order
from training.runs.progress import Reporter
from training.runs.stages.work import Work, load_items


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
    run.recipe = "fine_tuning"  # too dear to be fitted in folds
    assert not len(_new_since(Work(run, Reporter(run), Path(), items, []), champion))
