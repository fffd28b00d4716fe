"""This process's engine, built from the settings on first use. Without a GPU it never imports TensorFlow."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from inference.engine.admission import Admission
from inference.engine.batching import Batched
from inference.engine.engine import Engine
from inference.engine.routing import VersionRef
from labeling.errors import CrowdtuneError
from labeling.resilience.turns import cores
from training.features import embedding
from training.learning.artifact import Classifier, load_version
from training.learning.feature_store import FeatureStore
from training.learning.networks import litert
from training.learning.networks.trunk import Trunk
from training.learning.precision import has_bf16
from training.models import ModelVersion

logger = logging.getLogger(__name__)
GPU_BATCH = 32
FLOATS = 2**26  # 256 MB
Opened = TypeVar("Opened")


@functools.cache
def engine() -> Engine:
    lanes = settings.INFERENCE_LANES or 2 * batch() or cores()
    return Engine(
        data_dir=settings.DATA_DIR,
        memory=settings.INFERENCE_MEMORY_MB * 2**20,
        admission=Admission(lanes=lanes, waiting=settings.INFERENCE_QUEUE),
        open_trunk=open_trunk,
        open_version=open_version,
        precision_of=precision_of,
        is_portable=is_portable,
    )


def batch() -> int:
    """The most pictures that go through a trunk together; 0 is one request at a time, as suits a CPU."""
    return settings.INFERENCE_BATCH or (GPU_BATCH if settings.INFERENCE_DEVICE == "gpu" else 0)


def open_trunk(folder: Path, precision: str) -> Trunk | Batched:
    """The precision is pinned: OpenVINO rounds to bf16 by itself on processors that have it."""
    if settings.INFERENCE_DEVICE == "gpu":
        # Keras and TensorFlow come with it: only where they are wanted.
        from inference.engine.accelerated import KerasTrunk

        return Batched(KerasTrunk(folder, most=batch()), most=batch())
    trunk = _on_litert(folder, lambda: Trunk(folder, threads=_threads(), portable=True))
    trunk = trunk or Trunk(folder, precision=precision, threads=_threads())
    return Batched(trunk, most=batch()) if batch() else trunk


def _on_litert(folder: Path, open_: Callable[[], Opened]) -> Opened | None:
    """None where OpenVINO is to answer; where LiteRT was asked for, the log says why."""
    if not _litert_is_asked():
        return None
    why = litert.refusal_of(folder) or "a worker has yet to write the file"
    if is_portable(folder):
        try:
            return open_()
        except (OSError, ValueError, RuntimeError, CrowdtuneError) as error:
            why = str(error)
    logger.warning("OpenVINO answers for %s, which is not there for LiteRT: %s", folder, why)
    return None


def is_portable(folder: Path) -> bool:
    """Whether what lies in the folder, a trunk or a fine-tuned version, is opened on LiteRT."""
    return _litert_is_asked() and litert.is_there(folder)


def platform(version: VersionRef) -> str:
    """What computes the version's network, or would if somebody asked: nothing is loaded to tell it."""
    trunk = ModelVersion.objects.filter(pk=version.id).values_list("manifest__trunk_key", flat=True).first() or ""
    if found := engine().platform_of(trunk):
        return found
    if settings.INFERENCE_DEVICE == "gpu":
        return "keras"
    return "litert" if is_portable(engine().data_dir / "trunks" / trunk) else "openvino"


def _litert_is_asked() -> bool:
    """A GPU goes first: what Keras computes there is nothing for LiteRT."""
    return settings.INFERENCE_RUNTIME == "litert" and settings.INFERENCE_DEVICE == "cpu"


def _threads() -> int:
    return min(settings.INFERENCE_LANES or cores(), cores())


def precision_of(classifier: Classifier) -> str:
    """f32, or bf16 where that is allowed, this processor has it, and the version's own measurement lost nothing."""
    if settings.INFERENCE_PRECISION != "auto" or (settings.INFERENCE_DEVICE, settings.INFERENCE_RUNTIME) != (
        "cpu",
        "openvino",
    ):
        return "f32"
    measured = classifier.manifest.get("precision") or {}
    return "bf16" if measured.get("serve") == "bf16" and has_bf16() else "f32"


def open_version(folder: Path) -> Classifier:
    """A version whose files are whole and which answered like Keras when it was made; no other may serve."""
    classifier = None
    if (folder / "tail.xml").exists():
        classifier = _on_litert(folder, lambda: load_version(folder, portable=True, threads=_threads()))
    classifier = classifier or load_version(folder, threads=_threads())
    if not (classifier.manifest.get("verification") or {}).get("passed"):
        raise ValueError("it was never verified against Keras")
    return classifier


def at_once(dim: int, most: int) -> int:
    """How many images' features a worker holds: what stands before a retrained block has a hundred thousand numbers."""
    return max(1, min(most, FLOATS // dim))


@functools.lru_cache(maxsize=64)
def feature_store(trunk_key: str, dim: int) -> FeatureStore:
    return embedding.open_store(trunk_key, dim)
