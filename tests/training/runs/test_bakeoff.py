"""What a comparison says of its candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.runs.bakeoff import latency_of
from training.runs.stages.work import Items, Work


def test_a_tuned_candidate_is_as_quick_as_the_runtime_that_would_serve_it(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4, 4, 3))
    tail = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs)))
    nothing: Any = None
    work = Work(nothing, nothing, tmp_path, Items([], [], *[np.empty(0)] * 4), ["a", "b"])
    work.tail, work.rows = tail, lambda places: np.ones((len(places), 4, 4, 3), np.float32)
    asked: list[int] = []
    work.predict = lambda rows: np.zeros((asked.append(len(rows)) or len(rows), 2))  # type: ignore[func-returns-value]

    assert latency_of(work)["latency"] > 0
    assert not asked
