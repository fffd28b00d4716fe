"""Worker-side stage: the new classifier on cached features; the recipe decides what else is trained."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from training.learning.head import Head, HeadOptions, fit_head
from training.stages.work import Work

CHECKPOINT = "head.npz"


def run(work: Work) -> None:
    """Sets ``head`` and ``history``; a head that a former attempt has finished is loaded."""
    path = work.folder / CHECKPOINT
    if path.exists():
        work.head = Head.load(path)
        work.history = dict(work.run.history)
        work.reporter.log("The head is there from the last attempt.")
        return
    work.head, history = fit(work)
    work.history = {name: curve for name, curve in history.items() if isinstance(curve, list)}
    work.fit_facts = {name: value for name, value in history.items() if not isinstance(value, list)}
    work.reporter.set(history=work.history)
    work.reporter.flush()
    work.head.save(path)


def fit(work: Work) -> tuple[Head, dict[str, Any]]:
    """The head alone: a matter of a second, so there is no checkpoint inside it."""
    assert work.features is not None
    train, validation = work.items.side("train"), work.items.side("validation")

    def progress(figures: dict[str, Any]) -> bool:
        if "epoch" in figures:
            work.reporter.epoch({name: value for name, value in figures.items() if name != "stage"})
        else:
            work.reporter.tick()
        return True

    return fit_head(
        work.features[train],
        work.items.targets[train],
        work.items.weights[train],
        work.features[validation],
        one_hot(work.items.labels[validation], len(work.categories)),
        categories=work.categories,
        options=head_options(work.run.options),
        seed=work.run.seed,
        progress=progress,
    )


def head_options(options: dict[str, Any]) -> HeadOptions:
    """A run's options as the fit takes them; 0 hidden units means a linear head."""
    known = {field.name for field in fields(HeadOptions)} - {"hidden"}
    chosen = {name: value for name, value in options.items() if name in known}
    if options.get("hidden"):
        chosen["hidden"] = (int(options["hidden"]),)
    return HeadOptions(**chosen)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """int [n] -> float32 [n, classes]."""
    return np.eye(classes, dtype=np.float32)[labels]
