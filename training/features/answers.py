"""Worker-side: what a version says of stored images: features out of the store, then its head or tail."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.conf import settings

from labeling.text.words import gettext as _
from training.features import embedding
from training.features.embedding import Picture
from training.learning.artifact import Classifier, checked_manifest, load_version
from training.learning.errors import ArtifactDamaged
from training.learning.networks.trunk import Trunk, is_whole
from training.models import ModelVersion

AT_ONCE = 512  # pictures


def classifier_of(version: ModelVersion) -> Classifier:
    """The version's files, hashes checked; kept in memory while they are the newest few."""
    return _load(str(settings.DATA_DIR / version.artifact), version.pk)


def check_files(version: ModelVersion) -> None:
    """That the version could answer, before it is let: nothing is loaded, and hashes are remembered.

    Raises:
        ArtifactDamaged: Its files, or those of the trunk that it stands on, are missing or damaged.
    """
    number = {"number": version.number}
    try:
        key = str(checked_manifest(settings.DATA_DIR / version.artifact)["trunk_key"])
    except (ArtifactDamaged, KeyError) as error:
        raise ArtifactDamaged(
            _(
                "Version %(number)s cannot answer: its files are missing or damaged. Train anew, or have whoever runs"
                " this platform bring them back from the backup."
            )
            % number
        ) from error
    if not is_whole(embedding.trunks_folder() / key):
        raise ArtifactDamaged(
            _(
                "Version %(number)s cannot answer: the network that it stands on is missing or damaged. The next run on"
                " this network makes it again."
            )
            % number
        )


@functools.lru_cache(maxsize=4)
def _load(folder: str, _version_id: int) -> Classifier:
    return load_version(Path(folder))


def trunk_of(version: ModelVersion) -> Trunk:
    """The trunk that the version stands on."""
    manifest = classifier_of(version).manifest
    trunk = embedding.trunk_of(manifest["backbone"], manifest.get("cut"))
    if trunk.key != manifest["trunk_key"]:
        raise ArtifactDamaged(
            _(
                "Version %(number)s stands on the trunk %(trunk)s, but the weights of %(backbone)s on this machine are"
                " other ones now (%(now)s)."
            )
            % {
                "number": version.number,
                "trunk": manifest["trunk_key"],
                "backbone": manifest["backbone"],
                "now": trunk.key,
            }
        )
    return trunk


def answers_of(version: ModelVersion, pictures: Sequence[Picture]) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities float32 [n, classes], and bool [n]: False where a picture could not be read.

    Features pass by in slices: memory does not grow with the pictures but for what is answered.
    """
    trunk, classifier = trunk_of(version), classifier_of(version)
    said = np.zeros((len(pictures), len(version.categories)), np.float32)
    found = np.zeros(len(pictures), bool)
    for start in range(0, len(pictures), AT_ONCE):
        at = slice(start, start + AT_ONCE)
        features, found[at], _made = embedding.features_of(trunk, pictures[at])
        said[at] = classifier.probabilities_from_features(features)
    return said, found
