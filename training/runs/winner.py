"""Worker-side: which candidate of a comparison wins, and which of the others may be as good.

All are asked about the same held-out images, so each is set beside the winner image by image, by the paired bootstrap
of the gate. That tells two apart on far fewer images than a look at whether their intervals overlap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.learning.files import read_arrays, write_arrays
from training.learning.metrics import bootstrap
from training.models import FROM_SCRATCH
from training.runs.stages.work import Work
from training.versions.gate import FEWEST

ANSWERS = "answers.npz"
ALIKE = 0.005  # errors that differ by half an image in a hundred or less


def keep_answers(work: Work) -> None:
    """In the candidate's folder, until all are measured: which held-out images it was right about."""
    assert work.test_probabilities is not None
    test = work.items.side("test")
    right = work.test_probabilities.argmax(axis=1) == work.items.labels[test]
    images = np.array(work.items.image_ids)[test]
    write_arrays(work.folder / ANSWERS, {"images": images, "right": right, "groups": work.items.groups[test]})


def with_winner(rows: list[dict[str, Any]], folders: list[Path]) -> list[dict[str, Any]]:
    """Mark the least error; of those that are as good within half an image in a hundred, the quickest to answer.

    Args:
        rows: What was measured of each candidate.
        folders: Where ``keep_answers`` has kept what each was right about.

    Returns:
        The rows with ``winner``, and those of the others with ``may_be_as_good``, where both sides' answers are there.
    """
    may_win = [n for n, row in enumerate(rows) if _is_measured(row) and row.get("recipe") != FROM_SCRATCH]
    if not may_win:
        return rows
    least = min(rows[n]["top1_error"] for n in may_win)
    best = min((n for n in may_win if rows[n]["top1_error"] <= least + ALIKE), key=lambda n: rows[n]["latency"])
    marked = [{**row, "winner": n == best} for n, row in enumerate(rows)]
    files = [folder / ANSWERS for folder in folders]
    for n, row in enumerate(marked):
        if n != best and _is_measured(row) and files[n].exists() and files[best].exists():
            row["may_be_as_good"] = _may_be_as_good(files[n], files[best])
    return marked


def _is_measured(row: dict[str, Any]) -> bool:
    return row.get("top1_error") is not None


def _may_be_as_good(file: Path, best: Path) -> bool:
    """Whether chance alone may have made the winner right more often than this candidate."""
    mine, theirs = read_arrays(file), read_arrays(best)
    _, at, its = np.intersect1d(mine["images"], theirs["images"], return_indices=True)
    groups = mine["groups"][at]
    gain = theirs["right"][its].astype(int) - mine["right"][at]
    return len(np.unique(groups)) < FEWEST or bootstrap(gain, groups=groups)[0] <= 0
