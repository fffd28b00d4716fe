"""Real crowds from ../shared/data/crowd and drawn ones, as Votes with their truth."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from labeling.aggregation import Votes


def read(folder: Path) -> tuple[Votes, np.ndarray]:
    """Votes and [tasks] truth (-1 where it is not known) of a folder with judgments.csv and truth.csv."""
    with open(folder / "judgments.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("repeat", "0") in {"", "0"}]
    with open(folder / "truth.csv", newline="") as file:
        truth = {row["task"]: int(row["label"]) for row in csv.DictReader(file)}
    # One judgment of a worker on a task, the first; tasks and workers by the order of their names.
    first = {(row["task"], row["worker"]): int(row["label"]) for row in reversed(rows)}
    tasks = {name: index for index, name in enumerate(sorted({task for task, _ in first}))}
    workers = {name: index for index, name in enumerate(sorted({worker for _, worker in first}))}
    votes = Votes.of(
        [tasks[task] for task, _ in first],
        [workers[worker] for _, worker in first],
        list(first.values()),
        n_tasks=len(tasks),
    )
    return votes, np.array([truth.get(task, -1) for task in tasks])


def accuracy(posterior: np.ndarray, truth: np.ndarray) -> float:
    """Share of tasks whose most probable label is the truth; equal maxima share the point."""
    known = truth >= 0
    chances = posterior[known]
    top = chances >= chances.max(axis=1, keepdims=True) - 1e-9
    return float((top[np.arange(len(chances)), truth[known]] / top.sum(axis=1)).mean())
