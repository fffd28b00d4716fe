"""Worker-side: the versions of a question measured on the same images, those that the newest one holds out.

The accuracy that a version is born with is of the images held out by then: at first a handful, later more and harder
ones, so that it may fall from version to version while each is better than the one before. Here all that can be asked
at little cost meet on one set. An image held out today was held out from every older version, too: its side follows
from its hash or its group's (``learning.split``), and a group's name never changes (``snapshots.traits``). What one of
the versions, or a network that it stands on, has learned all the same (a near-duplicate that was deleted and uploaded
again) is left out.

What costs little is a head, or a retrained block, on features that are stored: of the newest version, of the champion,
which the gate has just asked about these images, and of all others on their networks. No picture is decoded for it. The
images are those that all can read: a version that lacks more than a few of them has no figure, rather than one that
takes theirs from the others.

Right answers are plain counts, for people. New images are often those that the champion of then was unsure of, where
any other looks better than it is; so how far the newest version is ahead of one that was champion is weighed as at the
gate (``runs.comparing``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.db import transaction

from training.features import answers, embedding
from training.learning.artifact import load_version
from training.learning.errors import LearningError
from training.learning.metrics import bootstrap, interval
from training.models import ModelVersion, Recipe
from training.runs.comparing import learned_by, weights_of
from training.runs.stages.work import Items, load_items
from training.versions import champions
from training.versions.gate import FEWEST

MOST_IMAGES = 2_000  # the first by their hash, a fair choice: an accuracy is known to two points then
MOST_VERSIONS = 50  # the newest, with the champion
# Of them those with a retrained block: each reads up to a megabyte of an image, and runs a part of a network on it.
MOST_RETRAINED = 10
MOST_UNREAD = 0.05  # of the newest version's images, all versions together; one image in any case


class Said(NamedTuple):
    """What a version says of each image."""

    right: np.ndarray  # bool [n]; False for a category that it does not know, or that the newest does not any more
    known: np.ndarray  # bool [n], False where no features are stored for it
    sure: np.ndarray  # float [n], its largest probability


def measure(version_id: int) -> None:
    """Write how often each version is right on the images that this one holds out, unless a newer one has done so."""
    newest = ModelVersion.objects.select_related("run__snapshot").slim().get(pk=version_id)
    versions, items = _compared(newest), load_items(newest.run, side="test")
    unseen = ~learned_by([version.run for version in versions], items)
    items = items.keep(unseen & (unseen.cumsum() <= MOST_IMAGES))
    said = [_said(version, items, newest) for version in versions]
    measured = common([one.known for one in said])
    if measured is None:  # deleted meanwhile
        return
    kept, places = measured
    items = items.keep(places)
    right = {version: one.right[places] for version, one, is_kept in zip(versions, said, kept, strict=True) if is_kept}
    weights = {
        version: weights_of(version, items.image_ids, one.sure[places])
        for version, one in zip(versions, said, strict=True)
        if version in right and version.promoted_at
    }
    champion = next((version for version in right if version.alias == ModelVersion.Alias.CHAMPION), None)
    found = {}
    for version, its in right.items():
        found[version.pk] = figures(its, right[newest], items.groups, weights.get(version))
        if champion is not None:
            over = ahead(its, right[champion], items.groups, weights.get(champion))
            found[version.pk] |= {"champion": champion.number, "ahead_of_champion": over}
    _write(newest, found)


def common(known: Sequence[np.ndarray]) -> tuple[list[bool], np.ndarray] | None:
    """On which images versions meet: those that the first can read, less a few that another cannot.

    Args:
        known: bool [n] of each version, whether it can read each image; the earlier go before.

    Returns:
        Which versions are measured; and bool [n], the images, which all of these can read. None where there are none.
    """
    places, kept = known[0], []
    least = max(min(places.sum() * (1 - MOST_UNREAD), places.sum() - 1), 1)
    for one in known:
        kept.append(bool((places & one).sum() >= least))
        places = places & one if kept[-1] else places
    return (kept, places) if kept[0] else None


def figures(
    right: np.ndarray, newest_right: np.ndarray, groups: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, Any]:
    """How often a version is right, and how far the newest one is ahead of it.

    Args:
        right: bool [n], whether the version is right on each image.
        newest_right: bool [n], the same of the newest version.
        groups: int [n]: near-duplicates have one number.
        weights: float [n], how much each image counts for ``ahead``; None = all alike.

    Returns:
        count, right, interval (of the share, Wilson's), and ahead: [low, high] of the newest version's accuracy less
        this one's, by the paired bootstrap of the gate; None where so few images cannot tell.
    """
    return {
        "count": len(right),
        "right": int(right.sum()),
        "interval": interval(right, groups),
        "ahead": ahead(newest_right, right, groups, weights),
    }


def ahead(
    right: np.ndarray, other_right: np.ndarray, groups: np.ndarray, weights: np.ndarray | None
) -> list[float] | None:
    """[low, high] of a version's accuracy less another's on the same images; None where so few cannot tell."""
    if len(np.unique(groups)) < FEWEST:
        return None
    return bootstrap(right.astype(int) - other_right, weights, groups)


def _compared(newest: ModelVersion) -> list[ModelVersion]:
    """Those of its question up to the newest one, as many as are measured: the newest first, then the champion."""
    rows = ModelVersion.objects.filter(project=newest.project_id, number__lte=newest.number).slim()
    rows = rows.filter(run__snapshot__question=newest.question_id).select_related("run__snapshot")
    rows = rows.defer("run__metrics", "run__history", "run__log")
    versions = list(rows.order_by("-number")[:MOST_VERSIONS])
    retrained = [version for version in versions if version.run.recipe != Recipe.FEATURE_EXTRACTION]
    versions = [version for version in versions if version not in retrained[MOST_RETRAINED:]]
    versions += list(rows.champions().exclude(pk__in=[version.pk for version in versions]))
    return sorted(versions, key=lambda version: (version != newest, version.alias != ModelVersion.Alias.CHAMPION))


def _said(version: ModelVersion, items: Items, newest: ModelVersion) -> Said:
    count = len(items)
    said = Said(np.zeros(count, bool), np.zeros(count, bool), np.zeros(count))
    try:
        classifier = load_version(settings.DATA_DIR / version.artifact)
        facts = embedding.facts_of(classifier.trunk_key)
    except LearningError:  # damaged: its own page says so
        return said
    if facts is None:
        return said
    store = embedding.open_store(facts["key"], facts["dim"])
    columns = np.array([newest.categories.index(key) if key in newest.categories else -1 for key in version.categories])
    for start in range(0, count, answers.AT_ONCE):
        at = slice(start, start + answers.AT_ONCE)
        features, said.known[at] = store.get([picture.sha256 for picture in items.pictures[at]])
        chances = classifier.probabilities_from_features(features)
        said.sure[at] = chances.max(axis=1)
        said.right[at] = said.known[at] & (columns[chances.argmax(axis=1)] == items.labels[at])
    return said


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
