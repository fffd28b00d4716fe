"""Worker-side: what the stages of one run hand to each other: the frozen items as arrays, and what was made so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.embedding import Picture
from training.learning.head import Head
from training.learning.trunk import Trunk
from training.models import SnapshotItem, TrainingRun
from training.progress import Reporter
from training.snapshots import LEFT_OUT


@dataclass
class Items:
    """The snapshot as arrays, in the order of the images' hashes.

    ``labels`` int [n]; ``targets`` float32 [n, k] (posteriors, or ones); ``weights`` float32 [n] (confidence);
    ``split`` str [n].
    """

    image_ids: list[int]
    pictures: list[Picture]
    labels: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    split: np.ndarray

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
        )


@dataclass
class Work:
    """One attempt at a run, as its stages see it."""

    run: TrainingRun
    reporter: Reporter
    folder: Path
    items: Items
    categories: list[str]
    cost: dict[str, float] = field(default_factory=dict)
    trunk: Trunk | None = None
    features: np.ndarray | None = None
    head: Head | None = None
    tail: Any = None  # Keras: activations at the cut -> logits
    model: Any = None  # Keras: pixels -> probabilities, the reference of a fine-tuned version
    temperature: float = 1.0
    test_probabilities: np.ndarray | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    fit_facts: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.process_time)

    @property
    def version_folder(self) -> Path:
        return self.folder / "version"

    def logits(self, places: np.ndarray) -> np.ndarray:
        """What the trained classifier says of the items at these places, before the temperature: [n, classes]."""
        assert self.features is not None
        assert self.head is not None
        if self.tail is not None:
            return np.asarray(self.tail.predict(self.features[places], verbose=0))
        return self.head.logits(self.features[places])


def load_items(run: TrainingRun) -> Items:
    """Read the snapshot; images that were deleted since are gone from it too."""
    categories = {key: place for place, key in enumerate(run.snapshot.categories)}
    soft = bool(run.options.get("soft_labels", True))
    rows = (
        SnapshotItem.objects.filter(snapshot=run.snapshot)
        .exclude(split=LEFT_OUT)
        .order_by("sha256")
        .values_list("image_id", "sha256", "image__original", "label", "posterior", "confidence", "split")
    )
    image_ids, pictures, labels, weights, split = [], [], [], [], []
    targets = np.zeros((rows.count(), len(categories)), np.float32)
    for place, (image_id, sha256, original, label, posterior, confidence, side) in enumerate(rows.iterator(10_000)):
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
        image_ids, pictures, np.array(labels, np.int64), targets, np.array(weights, np.float32), np.array(split, "U10")
    )
