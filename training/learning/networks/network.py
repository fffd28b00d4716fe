"""Backbones as Keras models: built, preprocessed inside, weighted. One of the doors to Keras (ARCHITECTURE.md)."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from training.learning.files import read_arrays
from training.learning.heads.dense import Head
from training.learning.networks.backbones import Backbone
from training.learning.networks.boundary import cut_tensor
from training.learning.networks.small import load_into
from training.learning.networks.weights import Weights

# Each is y = (x[channels] - mean) / scale on 0..255, which equals the preprocess_input of the same name (tested).
PREPROCESSING: dict[str, dict[str, Any]] = {
    "inside": {"scale": 1.0, "mean": (0.0, 0.0, 0.0), "bgr": False},
    "tf": {"scale": (127.5, 127.5, 127.5), "mean": (127.5, 127.5, 127.5), "bgr": False},
    "torch": {
        "scale": (0.229 * 255, 0.224 * 255, 0.225 * 255),
        "mean": (0.485 * 255, 0.456 * 255, 0.406 * 255),
        "bgr": False,
    },
    "caffe": {"scale": 1.0, "mean": (103.939, 116.779, 123.68), "bgr": True},
    # EfficientNet (the first) normalises inside, but only weights="imagenet" adds the division by the root of the
    # deviation that its published weights need; passing a path leaves it out. Here it is, moved in front.
    "efficientnet": {
        "scale": tuple(math.sqrt(d) for d in (0.229, 0.224, 0.225)),
        "mean": tuple(
            255 * m * (1 - math.sqrt(d)) for m, d in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
        ),
        "bgr": False,
    },
    "bgr": {"scale": 1.0, "mean": (104.0, 117.0, 123.0), "bgr": True},
}


def settle() -> None:
    """What each network here is built on: float32, channels last, whatever a keras.json in the user's home says.

    And products of float32 that are float32: on newer GPUs each backend rounds their factors to 10 bits (TF32) unless
    it is told not to, and then differs from the exported network by more than a version may.
    """
    from training.learning.networks.heavy import keras  # heavy; training and export only

    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow  # the backend itself, as the others below

        tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    elif backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")  # convolutions too
    elif backend == "torch":
        import torch

        torch.backends.cuda.matmul.fp32_precision = torch.backends.cudnn.conv.fp32_precision = "ieee"


def build(backbone: Backbone, weights: Weights | None = None, size: int | None = None) -> Any:
    """The convolutional base, without pooling or classifier, as a Keras model on preprocessed float32 pixels.

    Args:
        backbone: An entry of the zoo.
        weights: From ``weights.locate``; None or one without a path gives random weights, always the same.
        size: Side of the input in pixels; the backbone's default where None.
    """
    settle()
    path = weights.path if weights else None
    model = _built(backbone, weights, size or backbone.size, path)
    if path is None:
        _draw(model)
    return model


def _built(backbone: Backbone, weights: Weights | None, size: int, path: Path | None) -> Any:
    from training.learning.networks.heavy import keras  # as above

    if backbone.builder == "file":
        from training.learning.networks.foreign import load_network  # reads no code from the file

        assert path is not None  # ``require`` refuses an imported backbone without its file
        return load_network(path, backbone.options.get("layer", ""), backbone.cut)
    if backbone.builder == "tail":
        return _with_tail(backbone, weights, size)
    if backbone.builder.startswith("own:"):
        _, module, function = backbone.builder.split(":")
        # The literal table names the module, so this reads nothing that a user wrote.
        build_own = getattr(importlib.import_module(f"training.learning.networks.{module}"), function)
        model = build_own(size=size, **backbone.options)
        _load_own(model, path)
        return model
    builder = getattr(keras.applications, backbone.builder)
    options = {"include_top": False, "weights": None, "input_shape": (size, size, 3), **backbone.options}
    model = builder(**options)
    if path is not None:
        model.load_weights(str(path))
    return model


def _draw(model: Any) -> None:
    """Random kernels: normal, of variance 2 / fan-in (He et al. 2015, arXiv:1502.01852), for networks of ReLUs.

    numpy draws them, since each backend of Keras makes other numbers of one seed: what a run computes with on one of
    them would not be the trunk that is exported by TensorFlow.
    """
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            deviation = np.sqrt(2 / np.prod(weight.shape[:-1]))
            weight.assign(deviation * rng.standard_normal(weight.shape, np.float32))


def _with_tail(backbone: Backbone, weights: Weights | None, size: int) -> Any:
    """The root network with the last block that a fine-tuned version has learned."""
    from training.learning.networks.heavy import keras  # as above

    assert backbone.root is not None
    assert weights is not None
    assert weights.path is not None
    base = build(backbone.root, weights.root, size)
    block = keras.Model(cut_tensor(base, backbone.cut), base.output)
    arrays = read_arrays(weights.path)
    block.set_weights([arrays[f"w{index}"] for index in range(len(block.weights))])
    return base


def pooled(maps: Any) -> Any:
    """Maps ``[n, h, w, c]`` -> their average; what is one row a picture already stays."""
    from training.learning.networks.heavy import keras  # as above

    return keras.layers.GlobalAveragePooling2D(name="pooled")(maps) if len(maps.shape) == 4 else maps


def _load_own(model: Any, path: Path | None) -> None:
    if path is None:
        return
    if path.suffix == ".npz":
        load_into(model, read_arrays(path))
    else:
        from training.learning.networks.historic import load_by_name  # defines Keras layers

        load_by_name(model, path)


def preprocess(x: Any, name: str) -> Any:
    """Pixels 0..255 (any dtype, ``[..., 3]`` RGB) -> what the network was trained on, as float32, with keras.ops."""
    from training.learning.networks.heavy import keras  # as above

    rule = PREPROCESSING[name]
    x = keras.ops.cast(x, "float32")
    if name == "inside":
        return x
    if rule["bgr"]:
        x = keras.ops.flip(x, axis=-1)
    # Plain arrays: as backend tensors they would be captured, and tf2onnx turns what is captured into inputs.
    x = keras.ops.subtract(x, np.array(rule["mean"], np.float32))
    if rule["scale"] != 1.0:
        x = keras.ops.divide(x, np.array(rule["scale"], np.float32))
    return x


def standardise(head: Head) -> Any:
    """The head's (x - mean) / scale as a Keras layer, whose numbers are part of its configuration."""
    from training.learning.networks.heavy import keras  # as above

    scale = 1.0 / head.scale.astype(np.float64)
    offset = -head.mean.astype(np.float64) * scale
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="standardise", dtype="float32")


def trunk_model(backbone: Backbone, weights: Weights | None = None, cut: str | None = None) -> Any:
    """uint8 ``[n, size, size, 3]`` -> pooled features ``[n, dim]``, or the activations at ``cut``, as a Keras model."""
    from training.learning.networks.heavy import keras  # as above

    base = build(backbone, weights)
    base.trainable = False
    inputs = keras.Input((backbone.size, backbone.size, 3), dtype="uint8", name="images")
    x = preprocess(inputs, backbone.preprocessing)
    if cut is None:
        outputs = pooled(base(x, training=False))
    else:
        front = keras.Model(base.inputs, cut_tensor(base, cut))
        outputs = front(x, training=False)
    return keras.Model(inputs, outputs, name="trunk")
