"""Worker-side: one pass of a version over the pool, the images that wait for the crowd.

Only features that are stored already are read, so a million images cost seconds of arithmetic and not hours of forward
passes. The pool streams through in chunks; what stays in memory is a few numbers an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from inference.engine import runtime
from inference.engine.routing import VersionRef
from inference.feedback import predictions
from inference.feedback.scoring import Scores
from inference.monitoring import stored_reference
from inference.monitoring.reference import Reference
from labeling.models import Gold, Image, Task
from labeling.services import suggest_answers
from training.features.embedding import Embedder
from training.models import ModelVersion

CHUNK = 20_000
Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass
class Pool:
    """What one pass has seen: ids in the order of the scores."""

    ids: list[Ids] = field(default_factory=list)
    parts: list[Scores] = field(default_factory=list)
    lost: list[Ids] = field(default_factory=list)  # ids that went through the trunk, without features

    @property
    def image_ids(self) -> Ids:
        return np.concatenate(self.ids) if self.ids else np.empty(0, np.int64)


def scored(version: ModelVersion, reached: int) -> Pool:
    """What the version says of every open task's image, written down as well; ``reached``: through its trunk so far."""
    reference = stored_reference.ensure_reference(version)
    ref, pool = VersionRef.of(version), Pool()
    for ids, shas in _chunks(ref, Task.objects.filter(project=version.project, state=Task.State.OPEN, is_gold=False)):
        features, found = _features(ref, shas)
        pool.lost.append(ids[~found & (ids <= reached)])
        if not found.any():
            continue
        pool.ids.append(ids[found])
        pool.parts.append(predictions.scores_of(ref, reference, features[found]))
        predictions.write(version, pool.ids[-1], pool.parts[-1])
        _suggest(version, pool.ids[-1], pool.parts[-1].category)
    if version.project.show_suggestions:
        _suggest_beside_gold(version, ref)
    return pool


def points(version: ModelVersion, image_ids: Ids) -> Floats:
    """Where the candidates lie, as the training images do (or by raw features without these)."""
    shas = dict(Image.objects.filter(pk__in=image_ids.tolist()).values_list("pk", "sha256"))
    ref = VersionRef.of(version)
    reference: Reference | None = stored_reference.reference_of(ref)
    at_once, parts = runtime.at_once(_trunk(ref).dim, CHUNK), []
    for start in range(0, len(image_ids), at_once):
        names = [shas.get(int(pk), "0" * 64) for pk in image_ids[start : start + at_once]]
        features, _found = _features(ref, names)
        parts.append(reference.place_roughly(features) if reference else features)
    return np.concatenate(parts)


def _suggest(version: ModelVersion, ids: Ids, category: NDArray[Any]) -> None:
    labels = {int(image): version.categories[index] for image, index in zip(ids, category, strict=True)}
    suggest_answers(project=version.project, labels=labels, source=f"model {version.number}")


def _suggest_beside_gold(version: ModelVersion, ref: VersionRef) -> None:
    """Hidden gold is no part of the pool, but would be known by a suggestion that is missing."""
    hidden = Task.objects.filter(project=version.project, is_gold=True, gold__use=Gold.Use.HIDDEN)
    for ids, shas in _chunks(ref, hidden):
        features, found = _features(ref, shas)
        if found.any():
            answer = runtime.engine().answer(ref, features[found])
            _suggest(version, ids[found], answer.probabilities.argmax(axis=1))


def _chunks(ref: VersionRef, tasks: QuerySet[Task]) -> Iterator[tuple[Ids, list[str]]]:
    """The images of these tasks: (ids, content hashes), in chunks whose features fit into memory."""
    rows, most = tasks.order_by("id"), runtime.at_once(_trunk(ref).dim, CHUNK)
    last = 0
    while True:
        part = list(rows.filter(id__gt=last).values_list("id", "image_id", "image__sha256")[:most])
        if not part:
            return
        last = part[-1][0]
        seen = {image_id: sha256 for _task_id, image_id, sha256 in part}
        yield np.array(list(seen), np.int64), list(seen.values())


def _trunk(ref: VersionRef) -> Embedder:
    engine = runtime.engine()
    return engine.trunk(engine.classifier(ref).trunk_key)


def _features(ref: VersionRef, shas: list[str]) -> tuple[Floats, NDArray[np.bool_]]:
    trunk = _trunk(ref)
    return runtime.feature_store(trunk.key, trunk.dim).get(shas)
