"""Retraining the last block: Yosinski et al. 2014 (arXiv:1411.1792), cheap because what lies before the cut is cached.

The trunk runs once per picture and its activations at the cut are kept; each epoch runs the block behind it only. It
starts from the head that extraction found (a random one would wreck the block first), at a low rate, with batch
normalisation in inference mode (its statistics are ImageNet's, a small batch's would be noise). Epoch 0, the extraction
model itself, takes part, and stays unless an epoch is better on the validation part beyond chance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labeling.text.words import gettext as _
from training.learning.errors import TooLittleData
from training.learning.heads.dense import Head
from training.learning.networks.backbones import Backbone
from training.learning.networks.boundary import cut_tensor
from training.learning.networks.heavy import keras  # imported by the trainer's process only
from training.learning.networks.network import build, pooled, preprocess, standardise
from training.learning.networks.weights import Weights
from training.learning.tuning.devices import Devices, here, training_on
from training.learning.tuning.keras_loop import LoopOptions, Part, Progress, fit_epochs


def build_tail(backbone: Backbone, weights: Weights, head: Head, cut: str | None = None) -> Any:
    """Activations at the cut -> logits: the last block, pooling, and the trained head, with Keras' layers.

    What lies behind the cut is trainable but for batch normalisation; so are the head's dense layers.
    """
    base = build(backbone, weights)
    tensor = cut_tensor(base, cut or backbone.cut)
    tail = keras.Model(tensor, base.output, name="last_block")
    for layer in tail._flatten_layers():
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    inputs = keras.Input(tensor.shape[1:], name="activations")
    x = pooled(tail(inputs))
    x = standardise(head)(x)
    denses = []
    for index, (W, _b) in enumerate(head.layers):
        activation = None if index == len(head.layers) - 1 else "relu"
        # In float32 whatever the block computes in: the head is small, and logits decide.
        denses.append(keras.layers.Dense(W.shape[1], activation=activation, name=f"dense{index}", dtype="float32"))
        x = denses[-1](x)
    model = keras.Model(inputs, x, name="tail")
    for dense, (W, b) in zip(denses, head.layers, strict=True):
        dense.set_weights([W, b])
    return model


def fine_tune(
    backbone: Backbone, weights: Weights, head: Head, train: Part, validation: Part, *, cut: str | None = None,
    options: LoopOptions | None = None, seed: int = 0, progress: Progress | None = None,
    checkpoint: Path | None = None, devices: Devices | None = None,
) -> tuple[Any, dict[str, Any]]:  # fmt: skip
    """Retrain what lies behind the cut.

    Args:
        backbone, weights: The pretrained network, as it was exported for the trunk at the cut.
        head: What extraction found on the pooled features.
        train, validation: Rows are activations at the cut, float32 ``[m, h, w, c]``. The second may be empty where
            ``options.stop`` says how long to train.
        cut: Another boundary than the backbone's own, for instance an earlier layer.
        checkpoint: See ``keras_loop.fit_epochs``.
        devices: What to train on; None = what is here.

    Returns:
        The tail (Keras: activations -> logits) with its best weights, and the history.

    Raises:
        TooLittleData: fewer than two pictures to train on, or none to validate on.
    """
    options = options or LoopOptions()
    if len(train) < 2 or not (len(validation) or options.stop is not None):
        raise TooLittleData(
            _("Fine-tuning needs training and validation images; got %(train)s and %(validation)s.")
            % {"train": len(train), "validation": len(validation)}
        )
    keras.utils.set_random_seed(seed)
    devices = devices or here()
    with training_on(devices):
        model = build_tail(backbone, weights, head, cut)
        history = fit_epochs(
            model, train, validation, options, seed=seed, progress=progress, checkpoint=checkpoint,
            jit=devices.jit,
        )  # fmt: skip
    if devices.is_plain:
        return model, history
    # What is exported and compared is the plain network: float32, on one device.
    plain = build_tail(backbone, weights, head, cut)
    plain.set_weights(model.get_weights())
    return plain, history


def whole_model(backbone: Backbone, weights: Weights, tail: Any, temperature: float, cut: str | None = None) -> Any:
    """uint8 pictures -> calibrated probabilities, all in Keras: the reference of the exported version."""
    base = build(backbone, weights)
    front = keras.Model(base.inputs, cut_tensor(base, cut or backbone.cut))
    inputs = keras.Input((backbone.size, backbone.size, 3), dtype="uint8", name="images")
    logits = tail(front(preprocess(inputs, backbone.preprocessing), training=False), training=False)
    scaled = keras.layers.Rescaling(1.0 / temperature)(logits)
    return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(scaled), name="classifier")
