"""The comparison's network from random weights, as a stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.embedding import Picture
from training.learning.errors import LearningError
from training.stages import scratch
from training.stages.work import Items, Work


def test_more_images_than_a_trainer_should_be_kept_for_are_refused_at_once(tmp_path: Path) -> None:
    count = scratch.MOST + 1
    items = Items(
        list(range(count)), [Picture("", "")] * count, np.zeros(count, int), np.ones((count, 2), np.float32),
        np.ones(count, np.float32), np.array(["train"] * count),
    )  # fmt: skip
    nothing: Any = None

    with pytest.raises(LearningError, match="at most 5000 images; there are 5001"):
        scratch.run(Work(nothing, nothing, tmp_path, items, ["a", "b"]))
