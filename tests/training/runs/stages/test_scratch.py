"""The comparison's network from random weights, as a stage."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.features.embedding import Picture
from training.learning.errors import LearningError, TooLittleData
from training.runs.stages import scratch
from training.runs.stages.work import Items, Work


def items_of(*split: str) -> Items:
    count = len(split)
    return Items(
        list(range(count)), [Picture("", "")] * count, np.arange(count) % 2, np.ones((count, 2), np.float32),
        np.ones(count, np.float32), np.array(split, "U10"),
    )  # fmt: skip


@pytest.mark.parametrize("split", [("train", "train"), ("test", "test"), ()])
def test_unreadable_images_that_leave_a_side_empty_are_too_little_and_not_a_crash(split: tuple[str, ...]) -> None:
    lost = items_of(*split, "train", "test")
    said: list[str] = []

    with pytest.raises(TooLittleData, match="No readable image is left"):
        lost.readable(np.arange(len(lost)) < len(split), said.append)
    assert said == ["2 images could not be read and were left out."]


def test_items_that_can_all_be_read_are_not_copied() -> None:
    items = items_of("train", "test")
    assert items.readable(np.ones(2, bool), print) is items


def test_a_candidate_from_scratch_without_images_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch.embedding, "pixels_of", lambda pictures, size: [])
    voice: Any = SimpleNamespace(images=lambda *_figures, **_span: None, log=lambda _message: None)
    nothing: Any = None

    with pytest.raises(TooLittleData):
        scratch.run(Work(nothing, voice, tmp_path, items_of("train", "test"), ["a", "b"]))


def test_more_images_than_a_trainer_should_be_kept_for_are_refused_at_once(tmp_path: Path) -> None:
    count = scratch.MOST + 1
    items = items_of(*["train"] * count)
    nothing: Any = None

    with pytest.raises(LearningError, match="at most 5000 images; there are 5001"):
        scratch.run(Work(nothing, nothing, tmp_path, items, ["a", "b"]))
