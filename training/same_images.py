"""Worker-side: the versions of a question measured on the same images, those that the newest one holds out.

The accuracy that a version is born with is of the images held out by then: at first a handful, later more and harder
ones, so that it may fall from version to version while each is better than the one before. Here all that can be asked
at little cost meet on one set. An image held out today was held out from every older version, too: its side follows
from its hash or its group's (``learning.split``), and a group's name never changes (``snapshots.traits``). What one of
the versions, or a network that it stands on, has learned all the same (a near-duplicate that was deleted and uploaded
again) is left out.

What costs little is a head, or a retrained block, on features that are stored: of the newest version, of the champion,
which the gate has just asked about these images, and of all others on their networks. No picture is decoded for it. A
version whose features are not there has no figure, rather than one of other images.

New images are often those that the champion was unsure of, where any other looks better than it is. The gate weighs for
that (``runs.comparing``), and decides; these are plain counts, for people.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from training.features import answers, embedding
from training.learning.artifact import load_version
from training.learning.errors import LearningError
from training.learning.metrics import bootstrap, interval
from training.models import ModelVersion, Recipe
from training.runs.comparing import learned_by
from training.runs.stages.work import Items, load_items
from training.versions import champions
from training.versions.gate import FEWEST

MOST_IMAGES = 2_000  # the first by their hash, a fair choice: an accuracy is known to two points then
MOST_VERSIONS = 50  # the newest, with the champion
# Of them those with a retrained block: each reads up to a megabyte of an image, and runs a part of a network on it.
MOST_RETRAINED = 10


def measure(version_id: int) -> None:
    """Write how often each version is right on the images that this one holds out, unless a newer one has done so."""
    newest = ModelVersion.objects.select_related("run__snapshot").slim().get(pk=version_id)
    versions, items = _compared(newest), load_items(newest.run, side="test")
    unseen = ~learned_by([version.run for version in versions], items)
    items = items.keep(unseen & (unseen.cumsum() <= MOST_IMAGES))
    said = {version.pk: _right(version, items, newest) for version in versions}
    right, stored = said[newest.pk]
    if not stored.any():  # deleted meanwhile
        return
    found = {
        pk: figures(its[stored], right[stored], items.groups[stored])
        for pk, (its, known) in said.items()
        if known[stored].all()
    }
    _write(newest, found)


def figures(right: np.ndarray, newest_right: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """How often a version is right, and how far the newest one is ahead of it.

    Args:
        right: bool [n], whether the version is right on each image.
        newest_right: bool [n], the same of the newest version.
        groups: int [n]: near-duplicates have one number.

    Returns:
        count, right, interval (of the share, Wilson's), and ahead: [low, high] of the newest version's accuracy less
        this one's, by the paired bootstrap of the gate; None where so few images cannot tell.
    """
    gain = newest_right.astype(int) - right
    enough = len(np.unique(groups)) >= FEWEST
    return {
        "count": len(right),
        "right": int(right.sum()),
        "interval": interval(right, groups),
        "ahead": bootstrap(gain, groups=groups) if enough else None,
    }


def _compared(newest: ModelVersion) -> list[ModelVersion]:
    """Those of its question up to the newest one, as many as are measured."""
    rows = ModelVersion.objects.filter(project=newest.project_id, number__lte=newest.number).slim()
    rows = rows.filter(run__snapshot__question=newest.question_id).select_related("run__snapshot")
    rows = rows.defer("run__metrics", "run__history", "run__log")
    versions = list(rows.order_by("-number")[:MOST_VERSIONS])
    retrained = [version for version in versions if version.run.recipe != Recipe.FEATURE_EXTRACTION]
    versions = [version for version in versions if version not in retrained[MOST_RETRAINED:]]
    return versions + list(rows.champions().exclude(pk__in=[version.pk for version in versions]))


def _right(version: ModelVersion, items: Items, newest: ModelVersion) -> tuple[np.ndarray, np.ndarray]:
    """bool [n], whether the version is right on each image; and bool [n], False where no features are stored for it.

    A category that it does not know is wrong, as is an answer that the newest version does not know any more.
    """
    right, known = np.zeros(len(items), bool), np.zeros(len(items), bool)
    try:
        classifier = load_version(settings.DATA_DIR / version.artifact)
        facts = embedding.facts_of(classifier.trunk_key)
    except LearningError:  # damaged: its own page says so
        return right, known
    if facts is None:
        return right, known
    store = embedding.open_store(facts["key"], facts["dim"])
    columns = np.array([newest.categories.index(key) if key in newest.categories else -1 for key in version.categories])
    for start in range(0, len(items), answers.AT_ONCE):
        at = slice(start, start + answers.AT_ONCE)
        features, known[at] = store.get([picture.sha256 for picture in items.pictures[at]])
        said = classifier.probabilities_from_features(features).argmax(axis=1)
        right[at] = known[at] & (columns[said] == items.labels[at])
    return right, known


@transaction.atomic
def _write(newest: ModelVersion, found: dict[int, dict[str, Any]]) -> None:
    """Those without a figure lose the one on images of before."""
    champions.lock(newest.project_id)
    rows = ModelVersion.objects.filter(project=newest.project_id, run__snapshot__question=newest.question_id)
    if rows.filter(same_images__of__gt=newest.number).exists():
        return
    rows.exclude(pk__in=found).exclude(same_images={}).update(same_images={})
    for pk, measured in found.items():
        rows.filter(pk=pk).update(same_images={"of": newest.number, **measured})
