"""What the last block learns from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.training.drawing import draw
from tests.training.runs.test_running import damage
from training.features import embedding
from training.features.embedding import Picture
from training.learning.augment import view
from training.learning.tuning.keras_loop import LoopOptions
from training.runs.stages.tune import _Cut, as_memory_allows
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


@pytest.mark.parametrize(("room", "tried"), [(32, [32]), (9, [32, 16, 8]), (0, [32, 16, 8, 4, 2, 1])])
def test_where_a_gpu_has_too_little_memory_half_as_many_images_are_taken_at_once(room: int, tried: list[int]) -> None:
    asked, told = [], []
    exhausted = type("ResourceExhaustedError", (Exception,), {})  # TensorFlow's

    def fit(*, options: LoopOptions) -> tuple[str, dict[str, Any]]:
        asked.append(options.batch_size)
        if options.batch_size > room:
            raise exhausted("OOM when allocating tensor with shape[32,56,56,256]")
        return "tail", {}

    if room:
        used = LoopOptions(batch_size=tried[-1])
        assert as_memory_allows(fit, LoopOptions(), told.append) == ("tail", {}, used)
    else:
        with pytest.raises(exhausted):
            as_memory_allows(fit, LoopOptions(), told.append)
    assert asked == tried
    assert [int(line.split()[-1].rstrip(".")) for line in told] == tried[1:]


def test_a_view_that_the_cache_has_no_room_for_and_a_row_that_was_damaged_there_are_made_anew(
    settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    data = draw("circle", 1)
    picture = Picture(hashlib.sha256(data).hexdigest(), default_storage.save("circle.png", ContentFile(data)))
    trunk: Any = SimpleNamespace(
        key="trunk", dim=3, shape=(1, 1, 3), size=32, embed=lambda seen: seen.mean(axis=(1, 2), dtype=np.float32)
    )
    one = np.ones(1, np.float32)
    items = Items([1], [picture], np.zeros(1, int), one[:, None], one, np.array(["train"], "U10"))
    run: Any = SimpleNamespace(options={})
    work = Work(run, SimpleNamespace(), tmp_path, items, ["circle"], views=2)

    cut, first = _Cut(work, trunk), np.zeros(1, int)
    rows = cut.views(2, first)

    seen = view(embedding.pixels_of([picture], 32)[0], picture.sha256, 1, work.rule)
    np.testing.assert_array_equal(rows, trunk.embed(seen[None]).reshape(1, 1, 1, 3))
    whole = cut.rows(first)
    damage(trunk.key)
    assert not cut.store.get([picture.sha256])[1].any()
    np.testing.assert_array_equal(cut.rows(first), whole)  # nothing is learned from zeros


def test_what_is_no_want_of_memory_is_not_tried_again() -> None:
    asked = []

    def fit(*, options: LoopOptions) -> tuple[str, dict[str, Any]]:
        asked.append(options.batch_size)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        as_memory_allows(fit, LoopOptions(), asked.append)
    assert asked == [32]
