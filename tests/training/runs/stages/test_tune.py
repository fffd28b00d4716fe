"""What the last block learns from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.features.embedding import Picture
from training.runs.stages.tune import _Cut
from training.runs.stages.work import Items, Work


@pytest.mark.parametrize(("wanted", "times"), [(True, 3.0), (False, 1.0), (None, 1.0)])
def test_rare_categories_weigh_more_in_the_last_block_too_where_a_run_asks_for_it(
    wanted: bool | None, times: float, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    labels = np.array([0] * 90 + [1] * 10)
    y, split = np.eye(2, dtype=np.float32)[labels], np.array(["train", "validation"] * 50, "U10")
    items = Items(list(range(100)), [Picture("", "")] * 100, labels, y, np.full(100, 0.8, np.float32), split)
    run: Any = SimpleNamespace(options={} if wanted is None else {"class_weights": wanted})
    reporter, trunk = SimpleNamespace(), SimpleNamespace(key="trunk", dim=4, shape=(4,))
    cut = _Cut(Work(run, reporter, tmp_path, items, ["common", "rare"]), trunk)
    for part in (cut.parts()[0], cut.whole()[0]):
        assert part.weights is not None
        common, rare = part.weights[part.y[:, 0] == 1], part.weights[part.y[:, 1] == 1]
        np.testing.assert_allclose(rare / common.mean(), times, rtol=1e-5)  # the root of nine times as many images
    assert cut.parts()[1].weights is None
