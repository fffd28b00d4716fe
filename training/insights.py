"""Worker-side: what a version sees in an image: its nearest labeled neighbours in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.models import Image
from training import embedding
from training.learning.features import FeatureStore
from training.models import ModelVersion, SnapshotItem
from training.snapshots import LEFT_OUT

NEIGHBOURS = 12
AT_ONCE = 8_192


@dataclass(frozen=True)
class Neighbour:
    """A labeled image and how alike it is: the cosine of the two feature vectors."""

    image: Image
    label: str
    likeness: float


def neighbours_of(version: ModelVersion, image: Image) -> list[Neighbour]:
    """The labeled images of the version's snapshot that look most alike to its trunk; reads only what is cached."""
    store = store_of(version)
    if store is None:
        return []
    mine, found = store.get([image.sha256])
    if not found[0]:
        return []
    rows = list(
        SnapshotItem.objects.filter(snapshot=version.run.snapshot)
        .exclude(split=LEFT_OUT)
        .exclude(image=image)
        .order_by("sha256")
        .values_list("image_id", "sha256", "label")
    )
    likeness = _likeness(store, [sha256 for _image, sha256, _label in rows], mine[0])
    best = np.argsort(-likeness, kind="stable")[:NEIGHBOURS]
    images = Image.objects.in_bulk([rows[place][0] for place in best])
    return [
        Neighbour(images[rows[place][0]], rows[place][2], float(likeness[place]))
        for place in best
        if np.isfinite(likeness[place]) and rows[place][0] in images
    ]


def store_of(version: ModelVersion) -> FeatureStore | None:
    """The pooled features of the version's backbone, if this machine has its trunk; opens no network."""
    facts = embedding.trunk_facts(version.run.backbone)
    return None if facts is None else FeatureStore(embedding.features_folder(), facts["key"], facts["dim"])


def _likeness(store: FeatureStore, shas: list[str], mine: np.ndarray) -> np.ndarray:
    """float [n]; -inf where an image's features are not cached. In parts, so that memory stays flat."""
    parts = []
    for start in range(0, len(shas), AT_ONCE):
        features, found = store.get(shas[start : start + AT_ONCE])
        norms = np.linalg.norm(features, axis=1) * np.linalg.norm(mine)
        parts.append(np.where(found, features @ mine / np.maximum(norms, 1e-12), -np.inf))
    return np.concatenate(parts) if parts else np.empty(0)
