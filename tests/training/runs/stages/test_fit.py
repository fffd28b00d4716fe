"""What a run does without a curve or images to count: a cancel is heard there, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.training.learning.conftest import blobs
from training.features.embedding import Picture
from training.learning.files import locked
from training.learning.rows import Rows
from training.runs import comparing
from training.runs.progress import Cancelled
from training.runs.stages import features, fit
from training.runs.stages.work import Items, Work


@pytest.mark.parametrize("last", [fit.refit, comparing._in_folds])
def test_a_cancel_is_heard_in_a_fit_without_a_curve(last: Callable[[Work], object], tmp_path: Path) -> None:
    x, labels = blobs(60, 8, 2)
    split = np.array([("train", "validation", "test")[place % 3] for place in range(60)], "U10")
    y = np.eye(2, dtype=np.float32)[labels]
    items = Items(list(range(60)), [Picture("", "")] * 60, labels, y, np.ones(60, np.float32), split)
    heard: list[None] = []

    def tick() -> None:
        heard.append(None)
        if len(heard) == 2:
            raise Cancelled

    run: Any = SimpleNamespace(options={}, seed=0)
    reporter: Any = SimpleNamespace(tick=tick)
    work = Work(run, reporter, tmp_path, items, ["a", "b"], features=Rows.of(x))
    work.fit_facts = {"strength": 0.1, "best_epoch": 20}
    with pytest.raises(Cancelled):
        last(work)


def test_a_cancel_is_heard_while_a_trunk_is_exported(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path

    def tick() -> None:
        raise Cancelled

    items = Items([], [], *(np.empty(0),) * 4)
    told: list[str] = []
    run: Any = SimpleNamespace(backbone="crowdtune_small", options={}, augmentation=False)
    reporter: Any = SimpleNamespace(tick=tick, log=lambda line: told.append(str(line)), flush=lambda: None)
    with pytest.raises(Cancelled):
        features.run(Work(run, reporter, tmp_path, items, ["a", "b"]))
    assert not list(tmp_path.glob("trunks/*/trunk.json"))
    assert told == ["Preparing the network for this machine, once; that may take a minute."]


def test_a_cancel_is_heard_while_another_process_exports_the_trunk(tmp_path: Path) -> None:
    def stop() -> None:
        raise Cancelled

    with locked(tmp_path / "lock"), pytest.raises(Cancelled), locked(tmp_path / "lock", stop):
        pass
    with locked(tmp_path / "lock", stop):
        pass
