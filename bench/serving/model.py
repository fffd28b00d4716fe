"""The one model that every server answers with: the trunk and head that Crowdtune serves, and the same in Keras."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
PRECISION = os.environ.get("BENCH_PRECISION", "f32")


def decode(data: bytes) -> np.ndarray:
    """As the peers' own examples do it: Pillow, whole size, then a resize."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224)), np.uint8)


class OpenVino:
    """The exported trunk and head, behind a pool of requests over the cores."""

    def __init__(self) -> None:
        from training.learning.artifact import load_version
        from training.learning.networks.trunk import Trunk

        self.classifier = load_version(FOLDER / "version")
        self.trunk = Trunk(FOLDER / "trunks" / self.classifier.trunk_key, precision=PRECISION)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.classifier.probabilities_from_features(self.trunk.embed(images))


class Keras:
    """``keras.predict``: what the peers' examples and most Django projects do."""

    def __init__(self) -> None:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import keras

        self.model: Any = keras.saving.load_model(FOLDER / "model.keras", compile=False)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict(images, verbose=0))


def load() -> Any:
    return Keras() if os.environ.get("BENCH_ENGINE") == "keras" else OpenVino()


def answer(probabilities: np.ndarray) -> dict[str, float]:
    return {str(index): float(value) for index, value in enumerate(probabilities)}
