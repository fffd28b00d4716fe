"""Worker-side: the networks that answer are there for LiteRT, where ``INFERENCE_RUNTIME`` asks for it.

Web processes never write them: they answer by OpenVINO until the file is there, and then by that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models.fields.json import KT

from labeling.errors import CrowdtuneError
from training.features import embedding
from training.learning.errors import LearningError
from training.learning.files import locked
from training.learning.networks import litert, weights
from training.learning.networks.keys import trunk_key
from training.models import ModelVersion
from training.zoo import catalogue

logger = logging.getLogger(__name__)
AGAIN = 24 * 60 * 60.0  # seconds until what failed is tried again though no file has changed
_tried: dict[Path, tuple[float, litert.Stamp]] = {}  # folders: until when not again, and their files as they were


@dataclass(frozen=True)
class Lacking:
    """A trunk's folder, or that of a fine-tuned version on it, and what its version was made of."""

    folder: Path
    trunk: Path
    backbone: str
    cut: str | None


class _Busy(Exception):
    """Another thread or process writes."""


def make_portables() -> None:
    """Have one network of a champion or challenger written for LiteRT: a trunk, or a retrained block.

    One a call, so that new images wait for no more than that, and one at a time over all workers: others neither wait
    for it nor take the memory of TensorFlow, too.
    """
    if settings.INFERENCE_RUNTIME != "litert" or settings.INFERENCE_DEVICE != "cpu":
        return
    lacking = next(_lacking(), None)
    if lacking is None:
        return
    try:
        with locked(embedding.trunks_folder() / ".litert.lock", _leave):
            _make(lacking)
    except _Busy:
        logger.debug("another worker writes for LiteRT")
    except OSError as error:
        embedding.tell_once(f"nothing can be written for LiteRT: {error}")


def _leave() -> None:
    raise _Busy


def _lacking() -> Iterator[Lacking]:
    named = ModelVersion.objects.exclude(alias="").order_by("pk")
    facts = [KT(f"manifest__{name}") for name in ("trunk_key", "backbone", "cut")]
    for artifact, key, backbone, cut in named.values_list("artifact", *facts):
        version, trunk = settings.DATA_DIR / artifact, embedding.trunks_folder() / str(key)
        for folder in (trunk, version) if (version / "tail.xml").exists() else (trunk,):
            if not (litert.is_there(folder) or litert.refusal_of(folder) or _was_tried(folder)):
                yield Lacking(folder, trunk, backbone, cut)


def _was_tried(folder: Path) -> bool:
    """Where it fails, as for want of memory, it would take its seconds, and that memory, every few seconds."""
    until, files = _tried.get(folder, (0.0, None))
    return files == litert.stamp_of(folder) and time.monotonic() < until


def _make(lacking: Lacking) -> None:
    from training.learning.portable import ensure_portable  # as in ``embedding``: the light runtime, for who asks

    try:
        backbone = catalogue.backbone_of(lacking.backbone)
        found = weights.require(backbone, settings.KERAS_HOME)
        if trunk_key(backbone, found.sha256, lacking.cut) != lacking.trunk.name:
            raise LearningError(f"the weights of {backbone.title} that it was made of are not under KERAS_HOME")
        ensure_portable(lacking.folder, backbone, found, None if lacking.folder == lacking.trunk else lacking.trunk)
    except (OSError, CrowdtuneError) as error:
        logger.warning("OpenVINO goes on to answer for %s: %s", lacking.folder, error)
    _tried[lacking.folder] = time.monotonic() + AGAIN, litert.stamp_of(lacking.folder)
