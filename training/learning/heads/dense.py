"""The classifier on top of features: a few dense layers in numpy, small enough to swap in under a millisecond."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.learning.errors import ArtifactDamaged
from training.learning.files import read_arrays, write_arrays


@dataclass(frozen=True)
class Head:
    """Standardisation, then dense layers with ReLU between them, then a temperature.

    Attributes:
        layers: ``[(W [in, out], b [out]), ...]``, float32.
        mean, scale: float32 ``[dim]``: x' = (x - mean) / scale.
        temperature: Logits are divided by it in ``probabilities`` (Guo et al. 2017); > 0.
        categories: Names of the outputs, in order.
    """

    layers: list[tuple[np.ndarray, np.ndarray]]
    mean: np.ndarray
    scale: np.ndarray
    temperature: float
    categories: tuple[str, ...]

    @property
    def dim(self) -> int:
        return len(self.mean)

    def logits(self, x: np.ndarray) -> np.ndarray:
        """float32 ``[n, dim]`` -> ``[n, classes]``, before the temperature."""
        h = (np.asarray(x, np.float32) - self.mean) / self.scale
        for W, b in self.layers[:-1]:
            h = np.maximum(h @ W + b, 0)
        W, b = self.layers[-1]
        return h @ W + b

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float32 ``[n, dim]`` -> ``[n, classes]``, calibrated; rows sum to 1."""
        return softmax(self.logits(x) / np.float32(self.temperature))

    def with_temperature(self, temperature: float) -> Head:
        return replace(self, temperature=float(temperature))

    def save(self, path: Path) -> None:
        """One .npz, without pickles, written whole or not at all; the same head gives the same bytes."""
        arrays: dict[str, np.ndarray] = {
            "mean": self.mean, "scale": self.scale, "temperature": np.array(self.temperature, np.float64),
            "categories": np.frombuffer(json.dumps(self.categories, ensure_ascii=False).encode(), np.uint8),
        }  # fmt: skip
        for index, (W, b) in enumerate(self.layers):
            arrays[f"W{index}"], arrays[f"b{index}"] = W, b
        write_arrays(path, arrays)

    @classmethod
    def load(cls, path: Path) -> Head:
        """Read ``save``'s file; raises ArtifactDamaged where it is not whole."""
        try:
            arrays = read_arrays(path)
            count = sum(name.startswith("W") for name in arrays)
            layers = [(arrays[f"W{index}"], arrays[f"b{index}"]) for index in range(count)]
            categories = tuple(json.loads(arrays["categories"].tobytes()))
            head = cls(layers, arrays["mean"], arrays["scale"], float(arrays["temperature"]), categories)
        except Exception as error:  # zip, json and numpy each raise their own on damaged bytes
            raise ArtifactDamaged(f"{path} is no whole classification head: {error}.") from error
        if not layers or layers[-1][0].shape[1] != len(categories) or layers[0][0].shape[0] != head.dim:
            raise ArtifactDamaged(f"{path}: the layers do not fit the features or the categories.")
        return head


def softmax(logits: np.ndarray) -> np.ndarray:
    """``[n, classes]`` -> the same, rows summing to 1; safe for large values, keeps the dtype."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """The logarithm of ``softmax``, where that would round small chances to 0."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
