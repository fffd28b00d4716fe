"""Worker-side: labels that a model doubts, as it disagrees and has not seen them: for the crowd again.

Confident learning (Northcutt, Jiang and Chuang 2021, arXiv:1911.00068): the head is fitted in folds on cached features,
each image is judged by the head that was fitted without it, and an answer counts as sure when it is at least as likely
as that category's images are on average said to be theirs.
"""

from __future__ import annotations

import numpy as np
from django.conf import settings
from django.db import transaction

from training.features import embedding
from training.learning.heads.folds import out_of_fold
from training.learning.heads.head import HeadOptions
from training.learning.rows import Rows, blank
from training.models import ModelVersion, Suspect
from training.runs.stages.work import Items, load_items, one_hot

MOST = 100
MOST_IMAGES = 20_000
# The order of the answers settles long before the loss does; this is done after every run, five times.
EPOCHS = 30


def find_suspects(version_id: int) -> int:
    """Write down the labels that the version doubts, once; returns how many there are."""
    version = ModelVersion.objects.select_related("run__snapshot__question", "run__project").get(pk=version_id)
    if version.suspects.exists():
        return version.suspects.count()
    items, features = features_of(version)
    fit = version.metrics.get("fit", {})
    probabilities = out_of_fold(
        features,
        one_hot(items.labels, len(version.categories)),
        items.weights,
        categories=version.categories,
        options=HeadOptions(strength=fit.get("strength"), blend=fit.get("blend"), epochs=EPOCHS),
        groups=items.groups,
        seed=version.run.seed,
    )
    rows = suspects_among(probabilities, items.labels)
    return _store(version, items, probabilities, rows)


def features_of(version: ModelVersion) -> tuple[Items, Rows]:
    """What the version learned and was measured on, MOST_IMAGES at most, with what its network makes of it."""
    items = load_items(version.run)
    if len(items) > MOST_IMAGES:
        items = items.keep(np.arange(len(items)) < MOST_IMAGES)
    trunk = embedding.trunk_of(version.run.backbone)
    table = blank(len(items), trunk.dim, settings.DATA_DIR)
    _, found, _made = embedding.features_of(trunk, items.pictures, out=table)
    return items.keep(found), Rows(table, np.flatnonzero(found))


def suspects_among(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Places of likely errors, most likely first.

    Args:
        probabilities: [n, classes], each row from a model that has not seen it.
        labels: int [n].
    """
    given = probabilities[np.arange(len(labels)), labels]
    classes = probabilities.shape[1]
    if not _knows(probabilities.argmax(axis=1) == labels, labels):
        return np.array([], dtype=int)
    # How sure the model is of a category's own images, on average: the bar that another answer must take.
    bar = np.array([given[labels == k].mean() if (labels == k).any() else 1.0 for k in range(classes)])
    said = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(labels)), said] >= bar[said]
    places = np.flatnonzero((said != labels) & sure)
    order = np.argsort(given[places] - probabilities[places, said[places]], kind="stable")
    return places[order][:MOST]


def _knows(right: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the model is right more often than by chance by more than noise, each category counting alike.

    One that is not would call about half of the best labels likely errors, as after a first run on few images.
    """
    each = [right[labels == category] for category in np.unique(labels)]
    noise = np.sqrt(sum(one.mean() * (1 - one.mean()) / len(one) for one in each)) / len(each)
    return bool(np.mean([one.mean() for one in each]) - 2 * noise > 1 / len(each))


@transaction.atomic
def _store(version: ModelVersion, items: Items, probabilities: np.ndarray, places: np.ndarray) -> int:
    rows = []
    for place in places:
        said = int(probabilities[place].argmax())
        rows.append(
            Suspect(
                version=version,
                image_id=items.image_ids[place],
                label=version.categories[items.labels[place]],
                predicted=version.categories[said],
                label_probability=float(probabilities[place, items.labels[place]]),
                predicted_probability=float(probabilities[place, said]),
            )
        )
    Suspect.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)
