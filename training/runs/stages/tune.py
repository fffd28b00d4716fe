"""Worker-side stage, fine-tuning only: retrain the last block, or more, behind the cut, on cached activations.

Refuses where there is too little data, says why, and leaves the run with the head on frozen features that the stage
before has trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings

from labeling.text.words import gettext as _
from training.features import embedding
from training.learning.augment import view, view_key
from training.learning.errors import ArtifactDamaged, is_out_of_memory
from training.learning.heads.head import class_weighted
from training.learning.networks import weights
from training.learning.networks.backbones import Backbone
from training.learning.networks.boundary import too_little
from training.learning.networks.trunk import Trunk
from training.models import Recipe, TrainingRun
from training.runs.stages import fit
from training.runs.stages.augmented import embed_views
from training.runs.stages.work import Work, one_hot
from training.zoo import catalogue

if TYPE_CHECKING:
    from training.learning.tuning.keras_loop import LoopOptions, Part

CHECKPOINT, ALL_CHECKPOINT = "tune.checkpoint", "tune.all.checkpoint"
# Up to so many training images the validation part is learned too, when it has said how long: a seventh more images
# are worth a percent there (docs/benchmarks.md), and from there on nothing but the time.
FEW = 1000
SPAN = (0.55, 0.6)
VIEWS_SPAN = (0.6, 0.65)
OPTIONS = ("epochs", "learning_rate", "label_smoothing")


def run(work: Work) -> None:
    """Sets ``tail`` and ``whole_model``, and changes ``trunk``, ``rows`` and ``predict`` to those at the cut."""
    if work.run.recipe == Recipe.FEATURE_EXTRACTION:
        return
    backbone, train = catalogue.backbone_of(work.run.backbone), work.items.side("train")
    counts = Counter(work.categories[label] for label in work.items.labels[train])
    if refusal := _refusal(work, too_little(backbone, {name: counts[name] for name in work.categories})):
        _fall_back(work, refusal)
        return
    work.reporter.log(_("Loading Keras and preparing the network, which may take a minute."))
    work.reporter.flush()
    # The door to Keras in a run (ARCHITECTURE.md): seconds to import, and the child ends after it.
    from training.learning.tuning import finetune
    from training.learning.tuning.keras_loop import LoopOptions

    assert work.head is not None
    whole_head = fit.refit(work) if len(train) <= FEW else None
    trunk = _trunk_with_activations(work, backbone)
    cut = _Cut(work, trunk)
    found = weights.require(backbone, settings.KERAS_HOME)
    options = LoopOptions(**{name: work.run.options[name] for name in OPTIONS if name in work.run.options})
    fine_tune = partial(finetune.fine_tune, backbone, found, cut=trunk.cut, seed=work.run.seed)
    tail, history, options = as_memory_allows(
        partial(fine_tune, work.head, *cut.parts(), progress=work.progress, checkpoint=work.folder / CHECKPOINT),
        options, work.reporter.log,
    )  # fmt: skip
    work.trunk, work.rows = trunk, cut.rows
    _answer_with(work, tail)
    if whole_head is not None:
        work.held = work.logits(work.items.side("validation"))
        if history["best_epoch"]:
            told = _("Retraining it once more, on the validation images, too: %(count)s epochs, as these have said.")
            work.reporter.log(told % {"count": history["best_epoch"]})
        work.reporter.set(seconds_left=None)  # that of the first fit is up
        tail, _curves, _options = as_memory_allows(
            partial(fine_tune, whole_head, *cut.whole(), progress=work.still, checkpoint=work.folder / ALL_CHECKPOINT),
            replace(options, stop=history["best_epoch"]), work.reporter.log,
        )  # fmt: skip
        _answer_with(work, tail)
    work.whole_model = lambda temperature: finetune.whole_model(backbone, found, tail, temperature, trunk.cut)
    tell(work, history)
    if history["best_epoch"] == 0:
        work.reporter.log(
            _("No epoch was better beyond chance than the head on the frozen network, which stays as it was.")
        )


def as_memory_allows(
    fit: Callable[..., tuple[Any, dict[str, Any]]], options: LoopOptions, log: Callable[[str], None]
) -> tuple[Any, dict[str, Any], LoopOptions]:
    """``fit(options=…)``, again with half as many images at once where there is no memory for so many.

    Returns:
        The tail and its history, and the options that there was memory for.
    """
    while True:
        try:
            return *fit(options=options), options
        except Exception as error:
            if options.batch_size == 1 or not is_out_of_memory(error):
                raise
        options = replace(options, batch_size=options.batch_size // 2)
        log(_("There is no memory for so many images at once; trying with %(count)s.") % {"count": options.batch_size})


def _answer_with(work: Work, tail: Any) -> None:
    work.tail = tail
    work.predict = lambda rows: np.asarray(tail.predict(rows, verbose=0))


class _Cut:
    """The activations at the cut by the places of the items, out of the store: they need not fit into memory."""

    def __init__(self, work: Work, trunk: Trunk) -> None:
        self.work, self.trunk, self.store = work, trunk, embedding.store_of(trunk)

    def rows(self, places: np.ndarray) -> np.ndarray:
        """A row that was damaged on the disk since it was made is made again."""
        pictures = [self.work.items.pictures[place] for place in places]
        rows, found, _made = embedding.features_of(self.trunk, pictures)
        if not found.all():
            raise ArtifactDamaged(_("An image could be read a minute ago and cannot be read now; start the run again."))
        return rows.reshape(len(rows), *self.trunk.shape)

    def views(self, epoch: int, places: np.ndarray) -> np.ndarray:
        """Another view in each epoch; the picture itself in the first, and again when all views had their turn."""
        index = epoch % (self.work.views + 1) - 1
        if index < 0:
            return self.rows(places)
        keys = [view_key(self.work.items.pictures[place].sha256, index, self.work.rule) for place in places]
        rows, found = self.store.get(keys)
        rows = rows.reshape(len(rows), *self.trunk.shape)
        for place in np.flatnonzero(~found):  # damaged since, or the store has no room for all of them
            rows[place] = self._view(index, places[place])
        return rows

    def _view(self, index: int, place: int) -> np.ndarray:
        """The view made anew; the picture itself where it cannot be read any more."""
        picture = self.work.items.pictures[place]
        for pixels in embedding.pixels_of([picture], self.trunk.size):
            seen = view(pixels, picture.sha256, index, self.work.rule)
            return self.trunk.embed(seen[None]).reshape(self.trunk.shape)
        return self.rows(np.array([place]))[0]

    def parts(self) -> tuple[Part, Part]:
        """What is trained on, and what says when to stop."""
        items = self.work.items
        return self._learned(items.side("train")), self._held(items.side("validation"))

    def whole(self) -> tuple[Part, Part]:
        """Both of them to train on, and nothing held out."""
        items = self.work.items
        both = np.concatenate([items.side("train"), items.side("validation")])
        return self._learned(both), self._held(np.empty(0, int))

    def _learned(self, places: np.ndarray) -> Part:
        from training.learning.tuning.keras_loop import Part  # as above: Keras

        items = self.work.items
        views = (lambda epoch, at: self.views(epoch, places[at])) if self.work.views else None
        y, weights = items.targets[places], items.weights[places]
        if self.work.run.options.get("class_weights"):  # by itself only the head weighs classes that are skewed
            weights = class_weighted(y, weights, True)
        return Part(lambda at: self.rows(places[at]), y, weights, epoch_rows=views)

    def _held(self, places: np.ndarray) -> Part:
        from training.learning.tuning.keras_loop import Part  # as above: Keras

        return Part(
            lambda at: self.rows(places[at]), one_hot(self.work.items.labels[places], len(self.work.categories))
        )


def _refusal(work: Work, too_few: str) -> str:
    if too_few or len(work.items.side("validation")):
        return too_few
    return _("Fine-tuning needs validation images; there are none yet.")


def tell(work: Work, history: Mapping[str, Any]) -> None:
    """Keep the curves and the best epoch of a Keras fit."""
    work.history = {name: curve for name, curve in history.items() if isinstance(curve, list)}
    work.fit_facts = {**work.fit_facts, "best_epoch": history["best_epoch"]}
    work.reporter.set(history=work.history)


def _fall_back(work: Work, refusal: str) -> None:
    work.reporter.log(_("%(why)s Falling back to feature extraction.") % {"why": refusal})
    work.refusal, work.run.recipe = refusal, Recipe.FEATURE_EXTRACTION
    fit.tell(work)
    TrainingRun.objects.filter(pk=work.run.pk).update(recipe=work.run.recipe)


def _trunk_with_activations(work: Work, backbone: Backbone) -> Trunk:
    """The trunk up to the cut, after every picture (and its augmented views) went through it once."""
    cut = backbone.boundary(deeper=work.run.recipe == Recipe.FINE_TUNING_DEEPER)
    trunk = embedding.trunk_of(backbone.key, cut, waiting=work.reporter.tick)
    work.reporter.log(
        _("What lies behind the layer %(cut)s of %(title)s is retrained.") % {"cut": cut, "title": backbone.title}
    )
    found = embedding.fill(
        trunk, work.items.pictures, progress=lambda done, of: work.reporter.images(done, of, span=SPAN)
    )
    # An image that was damaged after its features were made has no activations.
    work.items = work.items.readable(found, work.reporter.log)
    work.features = work.view_features = None  # of the images before; what follows needs activations only
    if work.views:
        embed_views(work, trunk, span=VIEWS_SPAN)
    return trunk
