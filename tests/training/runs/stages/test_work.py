"""What the stages of a run are given of its snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labeling.models import Project
from tests.training.drawing import add_image, draw, label
from training.learning.rows import Rows
from training.runs import queueing
from training.runs.progress import Cancelled, Reporter
from training.runs.stages import fit
from training.runs.stages.work import Work, load_items


def test_a_cancel_is_heard_while_many_images_are_answered(tmp_path: Path) -> None:
    class Voice:
        def tick(self) -> None:
            raise Cancelled

    nothing: Any = None
    voice: Any = Voice()
    work = Work(nothing, voice, tmp_path, nothing, ["a", "b"], rows=lambda places: places[:, None] * np.ones(2))
    work.predict = lambda rows: rows

    with pytest.raises(Cancelled):
        work.logits(np.arange(1000))


@pytest.mark.parametrize("soft", [True, False])
def test_how_sure_the_crowd_was_is_what_a_head_is_fitted_to(soft: bool, project: Project) -> None:
    posterior = {"circle": 0.6, "square": 0.4}
    doubtful = {
        label(add_image(project, draw("circle", seed)), "circle", confidence=0.6, posterior=posterior).task.image.sha256
        for seed in range(500, 506)
    }
    wishes: Any = {"options": {"soft_labels": soft}}
    run = queueing.create_run(project=project, cause="person", **wishes)
    items = load_items(run)
    names = [picture.sha256 for picture in items.pictures]
    assert names == sorted(names), "the order of folds and batches: rows lie in any"
    work = Work(run, Reporter(run), Path(), items, list(run.snapshot.categories), features=Rows.of(np.eye(len(items))))

    _features, targets, weights, _owners = fit._training_rows(work)

    train = [items.pictures[place].sha256 in doubtful for place in items.side("train")]
    assert any(train)
    np.testing.assert_allclose(targets[train], [[0.6, 0.4] if soft else [1, 0]] * sum(train), rtol=1e-6)
    np.testing.assert_allclose(weights[train], 0.6 if soft else 1, rtol=1e-6)
    np.testing.assert_allclose(weights[~np.array(train)], 0.97 if soft else 1, rtol=1e-6)
