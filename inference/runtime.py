"""This process's engine, built from the settings on first use. It never imports TensorFlow (DESIGN.md, rule 6)."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from django.conf import settings

from inference import metrics
from inference.batching import Batched
from inference.engine import Engine
from inference.gate import Gate
from training.learning.artifact import Classifier, load_version
from training.learning.features import FeatureStore
from training.learning.trunk import Trunk


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def engine() -> Engine:
    lanes = settings.INFERENCE_LANES or 2 * settings.INFERENCE_BATCH or cores()
    gate = Gate(lanes=lanes, waiting=settings.INFERENCE_QUEUE)
    made = Engine(
        data_dir=settings.DATA_DIR,
        memory=settings.INFERENCE_MEMORY_MB * 2**20,
        gate=gate,
        open_trunk=open_trunk,
        open_version=open_version,
    )
    metrics.QUEUE.set_function(lambda: gate.depth)
    metrics.REFUSED.set_function(lambda: gate.refused)
    metrics.MEMORY.set_function(lambda: made.cache.size)
    return made


def open_trunk(folder: Path) -> Trunk | Batched:
    """Pinned to f32: OpenVINO rounds to bf16 by itself on processors that have it."""
    trunk = Trunk(folder, precision="f32")
    return Batched(trunk, most=settings.INFERENCE_BATCH) if settings.INFERENCE_BATCH else trunk


def open_version(folder: Path) -> Classifier:
    """A version whose files are whole and which answered like Keras when it was made; no other may serve."""
    classifier = load_version(folder)
    if not (classifier.manifest.get("verification") or {}).get("passed"):
        raise ValueError("it was never verified against Keras")
    return classifier


@functools.lru_cache(maxsize=64)
def feature_store(trunk_key: str, dim: int) -> FeatureStore:
    return FeatureStore(settings.DATA_DIR / "features", trunk_key, dim)
