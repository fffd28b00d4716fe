"""The networks that the field teaches and Keras Applications leaves out, faithful to their papers.

AlexNet: Krizhevsky, Sutskever, Hinton 2012, "ImageNet Classification with Deep Convolutional Neural Networks"; its two
towers (one a GPU) are kept as two halves of the channels, which meet in conv3 and in the dense layers.
ZFNet: Zeiler, Fergus 2013, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901, figure 3.
GoogLeNet: Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv:1409.4842, table 1, without the auxiliary
classifiers (which only training used); layer names are those of the published Caffe model, whose weights it takes.

Each builder gives the convolutional base, or the whole network with ``include_top=True``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.learning.networks.heavy import keras  # reached only by network.build and tests, never by serving

layers, ops = keras.layers, keras.ops


@keras.saving.register_keras_serializable(package="crowdtune")
class LocalResponseNormalization(keras.layers.Layer):
    """x / (bias + alpha * sum of x^2 over ``window`` neighbouring channels) ^ beta (Krizhevsky et al. 2012, 3.3).

    Caffe divides alpha by the window; pass what multiplies the sum.
    """

    def __init__(
        self, window: int = 5, alpha: float = 1e-4, beta: float = 0.75, bias: float = 2.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.window, self.alpha, self.beta, self.bias = window, alpha, beta, bias

    def call(self, x: Any) -> Any:
        half, channels = self.window // 2, x.shape[-1]
        squares = ops.pad(ops.square(x), [(0, 0), (0, 0), (0, 0), (half, half)])
        total = squares[..., :channels]
        for shift in range(1, self.window):
            total = total + squares[..., shift : shift + channels]
        return x / ops.power(self.bias + self.alpha * total, self.beta)

    def get_config(self) -> dict[str, Any]:
        own = {"window": self.window, "alpha": self.alpha, "beta": self.beta, "bias": self.bias}
        return {**super().get_config(), **own}


def build_alexnet(*, size: int = 227, include_top: bool = False, classes: int = 1000) -> Any:
    """8 layers; base output ``[6, 6, 256]`` at 227 px; 60,965,224 parameters with the top."""
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(96, 11, strides=4, activation="relu", name="conv1")(inputs)
    x = LocalResponseNormalization(name="norm1")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = _two_towers(x, 256, 5, "conv2")
    x = LocalResponseNormalization(name="norm2")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    x = layers.Conv2D(384, 3, padding="same", activation="relu", name="conv3")(x)
    x = _two_towers(x, 384, 3, "conv4")
    x = _two_towers(x, 256, 3, "conv5")
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    return keras.Model(inputs, _dense_top(x, classes) if include_top else x, name="alexnet")


def _two_towers(x: Any, channels: int, kernel: int, name: str) -> Any:
    half = x.shape[-1] // 2
    towers = [
        layers.Conv2D(channels // 2, kernel, padding="same", activation="relu", name=f"{name}_{tower}")(part)
        for tower, part in (("a", x[..., :half]), ("b", x[..., half:]))
    ]
    return layers.Concatenate(name=name)(towers)


def _dense_top(x: Any, classes: int) -> Any:
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc6", "fc7"):
        x = layers.Dense(4096, activation="relu", name=name)(x)
        x = layers.Dropout(0.5, name=f"{name}_drop")(x)
    return layers.Dense(classes, activation="softmax", name="predictions")(x)


def build_zfnet(*, size: int = 224, include_top: bool = False, classes: int = 1000) -> Any:
    """AlexNet's successor: 7 x 7 stride 2 first; maps 110, 55, 26, 13, 6; 62,357,608 parameters with the top."""
    inputs = keras.Input((size, size, 3))
    x = layers.ZeroPadding2D(1, name="pad1")(inputs)
    x = layers.Conv2D(96, 7, strides=2, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = layers.Conv2D(256, 5, strides=2, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool2")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    for name, channels in (("conv3", 384), ("conv4", 384), ("conv5", 256)):
        x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    return keras.Model(inputs, _dense_top(x, classes) if include_top else x, name="zfnet")


# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection: table 1 of the paper.
INCEPTIONS: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def build_googlenet(*, size: int = 224, include_top: bool = False, classes: int = 1000) -> Any:
    """Inception v1: 9 inception modules; base output ``[7, 7, 1024]``; 6,998,552 parameters with the top.

    Caffe pools in ceil mode; on the even maps of a 224 px input, Keras' "same" pads exactly the one row that asks for.
    """
    inputs = keras.Input((size, size, 3))
    x = layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = layers.Conv2D(64, 7, strides=2, activation="relu", name="conv1_7x7_s2")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1_3x3_s2")(x)
    x = LocalResponseNormalization(alpha=1e-4 / 5, bias=1.0, name="pool1_norm1")(x)
    x = _relu(x, 64, 1, "conv2_3x3_reduce")
    x = _relu(x, 192, 3, "conv2_3x3")
    x = LocalResponseNormalization(alpha=1e-4 / 5, bias=1.0, name="conv2_norm2")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool2_3x3_s2")(x)
    for name, widths in INCEPTIONS.items():
        x = _inception(x, widths, f"inception_{name}")
        if name in {"3b", "4e"}:
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"pool{name[0]}_3x3_s2")(x)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="pool5")(x)
        x = layers.Dropout(0.4, name="pool5_drop")(x)
        x = layers.Dense(classes, activation="softmax", name="loss3_classifier")(x)
    return keras.Model(inputs, x, name="googlenet")


def _relu(x: Any, channels: int, kernel: int, name: str) -> Any:
    return layers.Conv2D(channels, kernel, padding="same", activation="relu", name=name)(x)


def _inception(x: Any, widths: tuple[int, int, int, int, int, int], name: str) -> Any:
    one, three_reduce, three, five_reduce, five, projection = widths
    towers = [
        _relu(x, one, 1, f"{name}_1x1"),
        _relu(_relu(x, three_reduce, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        _relu(_relu(x, five_reduce, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
    ]
    pooled = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    towers.append(_relu(pooled, projection, 1, f"{name}_pool_proj"))
    return layers.Concatenate(name=f"{name}_output")(towers)


def load_by_name(model: Any, path: Path) -> None:
    """Kernels and biases from a Keras HDF5 file by layer name; a missing layer raises KeyError.

    Only arrays are read: no configuration of the file is turned into code.
    """
    import h5py  # with Keras; only here

    with h5py.File(path, "r") as file:
        for layer in model.layers:
            if layer.weights:
                group = file[layer.name][layer.name]
                layer.set_weights([np.asarray(group[weight.name]) for weight in layer.weights])
