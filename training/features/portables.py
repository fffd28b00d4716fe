"""Worker-side: the networks that answer are there for LiteRT, where ``INFERENCE_RUNTIME`` asks for it.

Web processes never write them: they answer by OpenVINO until the file is there, and then by that.
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from django.conf import settings

from labeling.errors import CrowdtuneError
from training.features import embedding
from training.learning.errors import LearningError
from training.learning.networks import litert, weights
from training.learning.networks.keys import trunk_key
from training.models import ModelVersion
from training.zoo import catalogue

logger = logging.getLogger(__name__)
Stamps = tuple[litert.Stamp, ...]


def make_portables() -> None:
    """Have the trunk, and the retrained block, of each champion and challenger written for LiteRT."""
    if settings.INFERENCE_RUNTIME != "litert" or settings.INFERENCE_DEVICE != "cpu":
        return
    for artifact, manifest in ModelVersion.objects.exclude(alias="").values_list("artifact", "manifest"):
        folder, trunk = settings.DATA_DIR / artifact, embedding.trunks_folder() / str(manifest.get("trunk_key"))
        _once(folder, trunk, (litert.stamp_of(folder), litert.stamp_of(trunk)))


@functools.lru_cache(maxsize=1_000)
def _once(folder: Path, trunk: Path, _stamps: Stamps) -> None:
    """Not again before a file has changed: what failed would take its seconds every few seconds."""
    try:
        _make(folder, trunk)
    except (OSError, CrowdtuneError) as error:
        logger.warning("OpenVINO goes on to answer for %s: %s", folder, error)


def _make(folder: Path, trunk: Path) -> None:
    # As in ``embedding``: the light runtime, for who asks for it.
    from training.learning.artifact import checked_manifest
    from training.learning.portable import ensure_portable

    manifest = checked_manifest(folder)
    backbone = catalogue.backbone_of(manifest["backbone"])
    found = weights.require(backbone, settings.KERAS_HOME)
    if trunk_key(backbone, found.sha256, manifest.get("cut")) != trunk.name:
        raise LearningError(f"the weights of {backbone.title} that it was made of are not under KERAS_HOME")
    ensure_portable(trunk, backbone, found)
    if "tail.xml" in manifest["files"]:
        ensure_portable(folder, backbone, found, trunk)
