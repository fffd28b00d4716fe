"""Worker-side: each version's summary of its training images, made once and kept in the version's folder."""

from __future__ import annotations

import logging
import zipfile
import zlib
from pathlib import Path

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from inference.engine import runtime
from inference.engine.routing import VersionRef
from inference.models import Traffic
from inference.monitoring.reference import Reference, fit_reference
from training.models import ImageTrait, ModelVersion, SnapshotItem

logger = logging.getLogger(__name__)
FILE = "reference.npz"
MOST = 5000  # training images that the summary is made of
DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def reference_of(version: VersionRef) -> Reference | None:
    """The version's summary when it has been made; loaded once and kept with the versions in memory.

    One that is damaged, or of an older Crowdtune that kept other arrays, is as good as none, for answers do not depend
    on it, and goes, so that it is made again.
    """
    cache = runtime.engine().cache
    if ("reference", version.id) not in cache and not _path(version).exists():
        return None

    def load() -> tuple[Reference, int]:
        reference = Reference.load(_path(version))
        return reference, reference.size

    try:
        loaded: Reference = cache.get(("reference", version.id), load)
    except DAMAGED as error:
        logger.warning("%s is damaged or of an older Crowdtune, and is made again: %s", _path(version), error)
        _path(version).unlink(missing_ok=True)
        return None
    return loaded


def _path(version: VersionRef) -> Path:
    return settings.DATA_DIR / version.folder / FILE


def ensure_reference(version: ModelVersion) -> Reference | None:
    """The same, made first where it is missing; None when the training features are not on this machine."""
    ref = VersionRef.of(version)
    known = reference_of(ref)
    if known is not None:
        return known
    features, image_ids = _training_features(version, ref)
    if len(features) < 2:
        return None
    probabilities = runtime.engine().answer(ref, features).probabilities
    shares = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(features)
    trunk = runtime.engine().trunk(runtime.engine().classifier(ref).trunk_key)
    fit_reference(
        features, image_ids, shares.astype(np.float32),
        maps=trunk.shape[-1], groups=_groups(image_ids.tolist()), seed=version.pk,
    ).save(_path(ref))  # fmt: skip
    # What was summed along the axes of one that is gone is no distance from this one: it would look like drift.
    Traffic.objects.filter(version=version).exclude(moments={}).update(moments={})
    logger.info("version %s: summarised %d training images", version.pk, len(features))
    return reference_of(ref)


def _groups(image_ids: list[int]) -> list[str]:
    """Of near-duplicates, as they were known when the training set was frozen; an image without one is alone."""
    known = dict(ImageTrait.objects.filter(image__in=image_ids).values_list("image_id", "group"))
    return [known.get(image_id, str(image_id)) for image_id in image_ids]


def _training_features(version: ModelVersion, ref: VersionRef) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    engine = runtime.engine()
    trunk = engine.trunk(engine.classifier(ref).trunk_key)
    items = SnapshotItem.objects.filter(snapshot=version.run.snapshot_id, split="train").order_by("sha256")
    rows = list(items.values_list("image_id", "sha256")[: runtime.at_once(trunk.dim, MOST)])
    features, found = runtime.feature_store(trunk.key, trunk.dim).get([sha256 for _image_id, sha256 in rows])
    return features[found], np.array([image_id for image_id, _sha256 in rows], np.int64)[found]
