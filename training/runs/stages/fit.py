"""Worker-side stage: the new classifier on cached features; the recipe decides what else is trained."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from labeling.text.words import gettext as _
from training.learning.heads.dense import Head
from training.learning.heads.head import HeadOptions, fit_head
from training.learning.rows import Rows
from training.runs.stages.work import Work, one_hot

CHECKPOINT = "head.npz"
FACTS = "head.json"


def run(work: Work) -> None:
    """Sets ``head`` and ``history``; a head that a former attempt has finished is loaded."""
    path = work.folder / CHECKPOINT
    if path.exists():
        head = Head.load(path)
        facts = json.loads((work.folder / FACTS).read_text())
        work.history, work.fit_facts = facts["history"], facts["fit"]
        work.reporter.log(_("The head is there from the last attempt."))
    else:
        head = _fit(work, path)
    work.head, work.predict = head, head.logits
    tell(work)
    work.reporter.flush()


def tell(work: Work) -> None:
    """The head's curves and how many epochs they have: of this attempt, an earlier one's, or fallen back to."""
    count = max(map(len, work.history.values()), default=0)
    work.reporter.set(history=work.history, epoch=count, epochs=count)


def _fit(work: Work, path: Path) -> Head:
    head, history = fit(work)
    work.history = {name: curve for name, curve in history.items() if isinstance(curve, list)}
    work.fit_facts = {name: plain(value) for name, value in history.items() if not isinstance(value, list)}
    (work.folder / FACTS).write_text(json.dumps({"history": work.history, "fit": work.fit_facts}))
    head.save(path)
    return head


def fit(work: Work) -> tuple[Head, dict[str, Any]]:
    """The head alone: a matter of a second, so there is no checkpoint inside it."""
    assert work.features is not None
    validation = work.items.side("validation")
    features, targets, weights, owners = _training_rows(work)
    return fit_head(
        features,
        targets,
        weights,
        work.features[validation],
        one_hot(work.items.labels[validation], len(work.categories)),
        categories=work.categories,
        owners=owners,
        groups=work.items.groups[owners],
        options=head_options(work.run.options),
        seed=work.run.seed,
        progress=work.progress,
    )


def refit(work: Work) -> Head:
    """The head once more, on the validation part too: it has said how strong, how long and how sure, and is free now.

    What was chosen on it stays: only the weights are fitted anew, to more images.
    """
    assert work.features is not None
    validation = work.items.side("validation")
    features, targets, weights, _owners = _training_rows(work)
    epochs = int(work.fit_facts["best_epoch"]) or 1
    facts = work.fit_facts
    options = replace(
        head_options(work.run.options), strength=facts["strength"], blend=facts.get("blend"), epochs=epochs
    )
    head, _history = fit_head(
        features + work.features[validation],
        np.concatenate([targets, work.items.targets[validation]]),
        np.concatenate([weights, work.items.weights[validation]]),
        categories=work.categories,
        options=options,
        seed=work.run.seed,
        progress=work.still,
    )
    return head


def _training_rows(work: Work) -> tuple[Rows, np.ndarray, np.ndarray, np.ndarray]:
    """Features, targets, weights and pictures of the training part, and of its augmented views where there are any."""
    assert work.features is not None
    owners = work.items.side("train")
    features = work.features[owners]
    if work.view_features is not None:
        features, owners = features + work.view_features, np.concatenate([owners, work.view_owners])
    return features, work.items.targets[owners], work.items.weights[owners] / (work.views + 1), owners


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
