"""Worker-side stage, fine-tuning only: retrain the last block behind the cut, on activations that are cached.

Refuses where there is too little data, says why, and leaves the run with the head on frozen features that the stage
before has trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.conf import settings

from training import catalogue, embedding
from training.learning import weights
from training.learning.augment import view_key
from training.learning.backbones import Backbone
from training.learning.trunk import Trunk
from training.models import Recipe, TrainingRun
from training.stages.views import embed_views
from training.stages.work import RULE, Work, one_hot

CHECKPOINT = "tune.checkpoint"
SPAN = (0.55, 0.6)
VIEWS_SPAN = (0.6, 0.65)
OPTIONS = ("epochs", "learning_rate", "label_smoothing")


def run(work: Work) -> None:
    """Sets ``tail`` and ``model``, and changes ``trunk`` and ``rows`` to those at the cut."""
    if work.run.recipe != Recipe.FINE_TUNING:
        return
    # The first of the two doors to Keras in a run (DESIGN.md, rule 6): seconds to import, and the child ends after it.
    from training.learning import finetune

    backbone, shas = (
        catalogue.backbone_of(work.run.backbone),
        np.array([picture.sha256 for picture in work.items.pictures]),
    )
    train, validation = work.items.side("train"), work.items.side("validation")
    counts = Counter(work.categories[label] for label in work.items.labels[train])
    if refusal := _refusal(work, finetune.too_little(backbone, {name: counts[name] for name in work.categories})):
        _fall_back(work, refusal)
        return
    assert work.head is not None
    trunk = _trunk_with_activations(work, backbone)
    store = embedding.store_of(trunk)
    found = weights.require(backbone, settings.KERAS_HOME)

    def rows_of(keys: np.ndarray) -> np.ndarray:
        return store.get(keys.tolist())[0].reshape(len(keys), *trunk.shape)

    def views_of(epoch: int, at: np.ndarray) -> np.ndarray:
        """Another view in each epoch; the picture itself in the first, and again when all views had their turn."""
        index = epoch % (work.views + 1) - 1
        keys = shas[train[at]]
        return rows_of(keys if index < 0 else np.array([view_key(sha, index, RULE) for sha in keys]))

    aims = one_hot(work.items.labels[validation], len(work.categories))
    tail, history = finetune.fine_tune(
        backbone,
        found,
        work.head,
        finetune.Part(
            lambda at: rows_of(shas[train[at]]),
            work.items.targets[train],
            work.items.weights[train],
            epoch_rows=views_of if work.views else None,
        ),
        finetune.Part(lambda at: rows_of(shas[validation[at]]), aims),
        options=finetune.LoopOptions(**{name: work.run.options[name] for name in OPTIONS if name in work.run.options}),
        seed=work.run.seed,
        progress=work.progress,
        checkpoint=work.folder / CHECKPOINT,
    )
    work.trunk, work.tail = trunk, tail
    work.rows = lambda places: rows_of(shas[places])
    work.predict = lambda rows: np.asarray(tail.predict(rows, verbose=0))
    work.whole_model = lambda temperature: finetune.whole_model(backbone, found, tail, temperature)
    _tell(work, history)


def _refusal(work: Work, too_little: str) -> str:
    if too_little or len(work.items.side("validation")):
        return too_little
    return "Fine-tuning needs validation images; there are none yet."


def _tell(work: Work, history: Mapping[str, Any]) -> None:
    work.history = {name: curve for name, curve in history.items() if isinstance(curve, list)}
    work.fit_facts = {**work.fit_facts, "best_epoch": history["best_epoch"]}
    work.reporter.set(history=work.history)


def _fall_back(work: Work, refusal: str) -> None:
    work.reporter.log(f"{refusal} Falling back to feature extraction.")
    work.run.recipe = Recipe.FEATURE_EXTRACTION
    TrainingRun.objects.filter(pk=work.run.pk).update(recipe=work.run.recipe)


def _trunk_with_activations(work: Work, backbone: Backbone) -> Trunk:
    """The trunk up to the cut, after every picture (and its augmented views) went through it once."""
    trunk = embedding.trunk_of(backbone.key, backbone.cut)
    embedding.fill(trunk, work.items.pictures, progress=lambda done, of: work.reporter.images(done, of, span=SPAN))
    if work.views:
        embed_views(work, trunk, span=VIEWS_SPAN)
    return trunk
