"""A version may serve only when it answers like Keras. One of the doors to Keras (ARCHITECTURE.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.learning.artifact import Classifier, compare_with_keras, load_version, record_verification
from training.learning.heads.dense import Head, softmax
from training.learning.networks.backbones import Backbone
from training.learning.networks.trunk import Trunk
from training.learning.networks.weights import Weights


def keras_classifier(backbone: Backbone, weights: Weights, head: Head) -> Any:
    """The whole extraction model in Keras: uint8 ``[n, size, size, 3]`` -> probabilities, temperature included."""
    from training.learning.networks.heavy import keras  # the reference that the artifact is checked against
    from training.learning.networks.network import standardise, trunk_model

    trunk = trunk_model(backbone, weights)
    x = standardise(head)(trunk.output)
    last = len(head.layers) - 1
    for index, (W, _) in enumerate(head.layers):
        activation = None if index == last else "relu"
        x = keras.layers.Dense(W.shape[1], activation=activation, name=f"dense{index}")(x)
    x = keras.layers.Rescaling(1.0 / head.temperature, name="temperature")(x)
    model = keras.Model(trunk.input, keras.layers.Softmax(name="probabilities")(x), name="classifier")
    for index, (W, b) in enumerate(head.layers):
        model.get_layer(f"dense{index}").set_weights([W, b])
    return model


def verify(folder: Path, trunk: Trunk, model: Any, pictures: np.ndarray) -> dict[str, Any]:
    """Compare the version in ``folder`` with a Keras model on real pictures and write the outcome into its manifest.

    Args:
        folder: A version that ``write_version`` wrote.
        trunk: Its trunk.
        model: Keras: uint8 pictures -> probabilities (``keras_classifier``, or ``finetune``'s whole model).
        pictures: uint8 ``[n, size, size, 3]``, n >= 1; 32 say enough.

    Raises:
        NotFaithful: a probability differs by more than 1e-4, or another top-1.
    """
    classifier: Classifier = load_version(folder)
    actual = classifier.probabilities_from_features(trunk.embed(pictures))
    expected = np.asarray(model.predict(pictures, batch_size=16, verbose=0))
    return record_verification(folder, compare_with_keras(actual, expected))


def verify_extraction(
    folder: Path, trunk: Trunk, backbone: Backbone, weights: Weights, pictures: np.ndarray, *, deep: bool = True
) -> dict[str, Any]:
    """``verify`` for a head on a frozen trunk.

    Args:
        deep: Build the whole Keras model (seconds, and TensorFlow's memory). False compares against the features of the
            trunk, which ``export_trunk`` compared with Keras when it was made, through a float64 head: the cheap check
            of a retrain, whose trunk has not changed.
    """
    classifier = load_version(folder)
    assert classifier.head is not None
    if deep:
        return verify(folder, trunk, keras_classifier(backbone, weights, classifier.head), pictures)
    features = trunk.embed(pictures)
    h = (features.astype(np.float64) - classifier.head.mean) / classifier.head.scale
    for index, (W, b) in enumerate(classifier.head.layers):
        h = (np.maximum(h, 0) if index else h) @ W.astype(np.float64) + b
    expected = softmax(h / classifier.head.temperature)
    found = compare_with_keras(classifier.probabilities_from_features(features), expected)
    return record_verification(folder, found | {"reference": "float64 head on the verified trunk"})
