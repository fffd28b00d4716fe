"""Who wins a comparison, and what is said of those whose difference from the winner may be chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.runs.winner import ANSWERS, with_winner

IMAGES = np.arange(100)


def measured(folder: Path, wrong: Any, **more: Any) -> tuple[dict[str, Any], Path]:
    """A candidate that was wrong about these of 100 images; near-duplicates where ``groups`` says so."""
    folder.mkdir()
    right = ~np.isin(IMAGES, wrong)
    np.savez(folder / ANSWERS, images=IMAGES, right=right, groups=more.pop("groups", IMAGES))
    return {"recipe": "feature_extraction", "top1_error": 1 - right.mean(), "latency": 0.01} | more, folder


def winner_of(*candidates: tuple[dict[str, Any], Path]) -> list[tuple[bool, bool | None]]:
    found = with_winner([row for row, _ in candidates], [folder for _, folder in candidates])
    return [(row["winner"], row.get("may_be_as_good")) for row in found]


def test_what_is_worse_by_few_images_may_be_as_good_and_by_many_is_not(tmp_path: Path) -> None:
    best = measured(tmp_path / "best", range(5))
    near = measured(tmp_path / "near", range(7))
    far = measured(tmp_path / "far", range(20))
    failed = ({"recipe": "fine_tuning", "top1_error": None, "failure": "Too few."}, tmp_path / "failed")

    assert winner_of(best, near, far, failed) == [(True, None), (False, True), (False, False), (False, None)]


def test_they_are_compared_image_by_image(tmp_path: Path) -> None:
    """Intervals of 30 % and of 40 % of 100 images overlap; but wherever one is wrong, the other is wrong as well."""
    best, other = measured(tmp_path / "best", range(30)), measured(tmp_path / "other", range(40))

    assert winner_of(best, other) == [(True, None), (False, False)]


def test_near_duplicates_count_as_one_image(tmp_path: Path) -> None:
    groups = IMAGES // 20  # five pictures, each twenty times
    best = measured(tmp_path / "best", [], groups=groups)
    other = measured(tmp_path / "other", range(100), groups=groups)

    assert winner_of(best, other) == [(True, None), (False, True)]


def test_of_those_within_half_an_image_in_a_hundred_the_quickest_wins_and_what_is_from_scratch_never(
    tmp_path: Path,
) -> None:
    slow = measured(tmp_path / "slow", [1], latency=0.05)
    quick = measured(tmp_path / "quick", [2], latency=0.02)
    scratch = measured(tmp_path / "scratch", [], recipe="from_scratch")

    assert winner_of(slow, quick, scratch) == [(False, True), (True, None), (False, True)]


def test_without_the_answers_nothing_is_said_of_chance(tmp_path: Path) -> None:
    best, other = measured(tmp_path / "best", [1]), measured(tmp_path / "other", range(50))
    (best[1] / ANSWERS).unlink()  # it was measured by an earlier version

    assert winner_of(best, other) == [(True, None), (False, None)]
