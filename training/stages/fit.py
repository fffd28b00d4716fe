"""Worker-side stage: the new classifier on cached features; the recipe decides what else is trained."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from training import embedding
from training.learning.embedding import gather
from training.learning.head import Head, HeadOptions, fit_head
from training.stages.work import RULE, Work, one_hot

CHECKPOINT = "head.npz"
FACTS = "head.json"


def run(work: Work) -> None:
    """Sets ``head`` and ``history``; a head that a former attempt has finished is loaded."""
    path = work.folder / CHECKPOINT
    if path.exists():
        head = Head.load(path)
        facts = json.loads((work.folder / FACTS).read_text())
        work.history, work.fit_facts = facts["history"], facts["fit"]
        work.reporter.log("The head is there from the last attempt.")
    else:
        head = _fit(work, path)
    work.head, work.predict = head, head.logits
    work.reporter.set(history=work.history)
    work.reporter.flush()


def _fit(work: Work, path: Path) -> Head:
    head, history = fit(work)
    work.history = {name: curve for name, curve in history.items() if isinstance(curve, list)}
    work.fit_facts = {name: plain(value) for name, value in history.items() if not isinstance(value, list)}
    (work.folder / FACTS).write_text(json.dumps({"history": work.history, "fit": work.fit_facts}))
    head.save(path)
    return head


def fit(work: Work) -> tuple[Head, dict[str, Any]]:
    """The head alone: a matter of a second, so there is no checkpoint inside it."""
    assert work.trunk is not None
    assert work.rows is not None
    train, validation = work.items.side("train"), work.items.side("validation")
    features, owners = work.rows(train), np.arange(len(train))
    if work.views:
        shas = [work.items.pictures[place].sha256 for place in train]
        features, owners = gather(embedding.store_of(work.trunk), shas, views=work.views, augmentation=RULE)
    return fit_head(
        features,
        work.items.targets[train][owners],
        work.items.weights[train][owners] / (work.views + 1),
        work.rows(validation),
        one_hot(work.items.labels[validation], len(work.categories)),
        categories=work.categories,
        options=head_options(work.run.options),
        seed=work.run.seed,
        progress=work.progress,
    )


def plain(value: Any) -> Any:
    """JSON has no infinity: what a search could not measure is null."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def head_options(options: dict[str, Any]) -> HeadOptions:
    """A run's options as the fit takes them; 0 hidden units means a linear head."""
    known = {field.name for field in fields(HeadOptions)} - {"hidden"}
    chosen = {name: value for name, value in options.items() if name in known}
    if options.get("hidden"):
        chosen["hidden"] = (int(options["hidden"]),)
    return HeadOptions(**chosen)
