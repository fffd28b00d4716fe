"""A trunk on an accelerator: the network in Keras, compiled, behind the engine's interface.

Only where ``INFERENCE_DEVICE=gpu`` asks for it: then, and only then, a web process imports Keras and TensorFlow. The
network is compared with the exported trunk before it answers, so that both kinds of machine give one answer. Requests
meet in front of it (``inference.engine.batching``), and batches are padded to a power of two, so that Keras compiles a
handful of shapes and not one a size. It has been run with TensorFlow on a CPU; nobody has run it on a GPU yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from training.learning.networks.keys import trunk_key
from training.learning.networks.trunk import Trunk, faithful, sample_pictures
from training.learning.networks.weights import locate
from training.zoo import catalogue


class KerasTrunk:
    """As ``training.learning.networks.trunk.Trunk``, on whatever device Keras finds."""

    platform = "keras"

    def __init__(self, folder: Path, *, most: int) -> None:
        """``most`` pictures go through at once.

        Raises:
            ValueError: The weights that the trunk was made of are not on this machine.
            LearningError: There is no backbone of its name any more.
            NotFaithful: Keras' features are not those of the exported trunk.
        """
        exported = Trunk(folder)
        self.key, self.dim, self.shape = exported.key, exported.dim, exported.shape
        self.size, self.most = exported.size, most
        self._model = _model(exported)
        pictures = sample_pictures(3, self.size)
        faithful(self.embed(pictures), exported.embed(pictures))

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 ``[n, size, size, 3]`` -> float32 ``[n, dim]``."""
        parts = [self._part(images[start : start + self.most]) for start in range(0, len(images), self.most)]
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    def _part(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        padded = 1 << (len(images) - 1).bit_length()
        empty = np.zeros((padded - len(images), *images.shape[1:]), np.uint8)
        features = self._model.predict_on_batch(np.concatenate([images, empty]) if len(empty) else images)
        return np.asarray(features, np.float32).reshape(padded, self.dim)[: len(images)]


def _model(exported: Trunk) -> Any:
    backbone = catalogue.backbone_of(exported.backbone)
    weights = locate(backbone, settings.KERAS_HOME)
    from training.learning.networks.network import trunk_model  # Keras: here alone, and only where a GPU is asked for

    if trunk_key(backbone, weights.sha256, exported.cut) != exported.key:
        raise ValueError(f"the weights of {backbone.title} that it was made of are not under KERAS_HOME")
    return trunk_model(backbone, weights, exported.cut)
