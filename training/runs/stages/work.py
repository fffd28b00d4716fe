"""Worker-side: what the stages of one run hand to each other: the frozen items as arrays, and what was made so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db.models import OuterRef, Subquery

from labeling.text.words import gettext as _
from training.features.embedding import Picture
from training.learning.augment import Augmentation
from training.learning.errors import TooLittleData
from training.learning.heads.dense import Head
from training.learning.rows import Rows
from training.models import ImageTrait, SnapshotItem, TrainingRun
from training.runs.progress import Reporter
from training.snapshots.labels import LEFT_OUT

if TYPE_CHECKING:
    from training.learning.networks.trunk import Trunk

ROWS_AT_ONCE = 512


@dataclass
class Items:
    """The snapshot as arrays, in the order of the images' hashes.

    ``labels`` int [n]; ``targets`` float32 [n, k] (posteriors, or ones); ``weights`` float32 [n] (confidence);
    ``split`` str [n]; ``groups`` int [n]: near-duplicates have one number (left out, each image is alone).
    """

    image_ids: list[int]
    pictures: list[Picture]
    labels: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    split: np.ndarray
    groups: np.ndarray = field(default_factory=lambda: np.empty(0, int))

    def __post_init__(self) -> None:
        if not len(self.groups):
            self.groups = np.arange(len(self))

    def __len__(self) -> int:
        return len(self.pictures)

    def side(self, name: str) -> np.ndarray:
        """Places of one split: int [m]."""
        return np.flatnonzero(self.split == name)

    def keep(self, mask: np.ndarray) -> Items:
        places = np.flatnonzero(mask)
        return Items(
            [self.image_ids[place] for place in places],
            [self.pictures[place] for place in places],
            self.labels[places],
            self.targets[places],
            self.weights[places],
            self.split[places],
            self.groups[places],
        )

    def readable(self, mask: np.ndarray, log: Callable[[str], None]) -> Items:
        """Those that could be read; the log says how many could not.

        Raises:
            TooLittleData: No image is left to learn from, or to measure with.
        """
        kept = self  # a copy would take 2 GB of 100,000 images in 5,000 categories
        if lost := int((~mask).sum()):
            log(_("%(lost)s images could not be read and were left out.") % {"lost": lost})
            kept = self.keep(mask)
        if not len(kept.side("train")) or not len(kept.side("test")):
            raise TooLittleData(_("No readable image is left to learn from, or to measure with."))
        return kept


@dataclass
class Work:
    """One attempt at a run, as its stages see it.

    ``features`` are the trunk's of all items; ``view_features`` those of augmented views of the training images and
    ``view_owners`` int [m] the places of these. ``rows`` gives the classifier's inputs at places of the items,
    ``predict`` its logits for such inputs; both are set by the features stage and, for a fine-tuned version, changed by
    the tune stage, as ``trunk``, ``tail`` and ``whole_model`` (temperature -> Keras: pixels -> probabilities) are; it
    lets go of the features. ``held`` are the logits of the validation part by what had not learned it, where the
    tune stage lets it be learned. ``refusal`` says why nothing was fine-tuned though the recipe asked for it.
    """

    run: TrainingRun
    reporter: Reporter
    folder: Path
    items: Items
    categories: list[str]
    views: int = 0
    cost: dict[str, float] = field(default_factory=dict)
    trunk: Trunk | None = None
    features: Rows | None = None
    view_features: Rows | None = None
    view_owners: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    rows: Callable[[np.ndarray], np.ndarray] | None = None
    head: Head | None = None
    predict: Callable[[np.ndarray], np.ndarray] | None = None
    tail: Any = None
    held: np.ndarray | None = None
    whole_model: Callable[[float], Any] | None = None
    temperature: float = 1.0
    test_probabilities: np.ndarray | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    fit_facts: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    refusal: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> Augmentation:
        """How far the augmented views may go; a run from before the option was mirrored."""
        return Augmentation(mirror=bool(self.run.options.get("mirror", True)))

    @property
    def version_folder(self) -> Path:
        return self.folder / "version"

    def logits(self, places: np.ndarray) -> np.ndarray:
        """What the trained classifier says of the items at these places, before the temperature: [n, classes]."""
        assert self.rows is not None
        assert self.predict is not None
        parts = [places[start : start + ROWS_AT_ONCE] for start in range(0, len(places), ROWS_AT_ONCE)]
        said = []
        for part in parts:
            said.append(self.predict(self.rows(part)))
            self.reporter.tick()
        return np.concatenate(said) if said else np.empty((0, len(self.categories)), np.float32)

    def progress(self, figures: dict[str, Any]) -> bool:
        """What the fits call: epochs become curves, batches become pace. A cancel is raised, not returned."""
        if "curves" in figures:
            self.reporter.epoch(figures)
        else:
            self.reporter.batch(figures)
        return True

    def still(self, _figures: dict[str, Any]) -> bool:
        """What fits call that draw no curve: no more than hearing a cancel, which is raised."""
        self.reporter.tick()
        return True


def load_items(run: TrainingRun, *, side: str = "") -> Items:
    """Read the snapshot, or one side of its split; images that were deleted since are gone from it too."""
    categories = {key: place for place, key in enumerate(run.snapshot.categories)}
    soft = bool(run.options.get("soft_labels", True))
    rows = (
        SnapshotItem.objects.filter(snapshot=run.snapshot)
        .exclude(split=LEFT_OUT)
        .annotate(group=Subquery(ImageTrait.objects.filter(image=OuterRef("image_id")).values("group")))
        .order_by("sha256")
        .values_list("image_id", "sha256", "image__original", "label", "posterior", "confidence", "split", "group")
    )
    if side:
        rows = rows.filter(split=side)
    image_ids, pictures, labels, weights, split = [], [], [], [], []
    numbers: dict[str, int] = {}
    groups = []
    targets = np.zeros((rows.count(), len(categories)), np.float32)
    for place, row in enumerate(rows.iterator(10_000)):
        image_id, sha256, original, label, posterior, confidence, side, group = row
        groups.append(numbers.setdefault(group or sha256, len(numbers)))
        image_ids.append(image_id)
        pictures.append(Picture(sha256, original))
        labels.append(categories[label])
        weights.append(confidence if soft else 1.0)
        split.append(side)
        if soft and posterior:
            for key, probability in posterior.items():
                targets[place, categories[key]] = probability
        else:
            targets[place, categories[label]] = 1.0
    return Items(
        image_ids, pictures, np.array(labels, np.int64), targets, np.array(weights, np.float32),
        np.array(split, "U10"), np.array(groups, int),
    )  # fmt: skip


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """int [n] -> float32 [n, classes]."""
    ones = np.zeros((len(labels), classes), np.float32)  # rows of np.eye would take 1.6 GB of 20,000 classes
    ones[np.arange(len(labels)), labels] = 1
    return ones
