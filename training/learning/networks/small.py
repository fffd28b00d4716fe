"""Crowdtune small: our own compact backbone, whose weights are in the repository.

Plain and fused inverted residuals in the style of EfficientNetV2 (Tan and Le 2021, arXiv:2104.00298): full 3 x 3
convolutions where the maps are large and thin, depthwise ones where they are small and wide, which is what a CPU is
quick at. 128 px in. ``build_small(norm=True)`` is the network that ``manage.py pretrain`` trains: four stages, batch
normalisation. What is shipped and fine-tuned is ``build_small()``: the first three stages, each normalisation folded
into its convolution (``fold``), and as features what the second and the third stage say, positive and negative part
apart (CReLU: Shang et al. 2016, arXiv:1603.05201), 256 in all.

The fourth stage only guides the others: on a set that the training never saw, a linear probe found .33 behind it, .61
behind the third and .64 with the second beside it (untrained: .46 and .48). Few thousand pictures are plenty for the
local structure of pictures and far too few for what ImageNet's million say of things.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SIZE = 128
FEATURES = 512  # of the network in training
SHIPPED = 3  # stages
STEM = 16
# (name, kind, stride, expanded channels, output channels)
BLOCKS = (
    ("stage1_a", "fused", 2, 64, 24),
    ("stage1_b", "fused", 1, 72, 24),
    ("stage2_a", "fused", 2, 96, 32),
    ("stage2_b", "fused", 1, 96, 32),
    ("stage2_c", "fused", 1, 96, 32),
    ("stage3_a", "depthwise", 2, 192, 96),
    ("stage3_b", "depthwise", 1, 384, 96),
    ("stage3_c", "depthwise", 1, 384, 96),
    ("stage3_d", "depthwise", 1, 384, 96),
    ("stage4_a", "depthwise", 2, 576, 160),
    ("stage4_b", "depthwise", 1, 640, 160),
    ("stage4_c", "depthwise", 1, 640, 160),
    ("stage4_d", "depthwise", 1, 960, 320),
)
STAGES = ("stage1_b", "stage2_c", "stage3_d", "stage4_d")


def build_small(*, norm: bool = False, size: int | None = SIZE, **_: Any) -> Any:
    """The convolutional base in Keras: float32 ``[n, size, size, 3]`` in -1..1 -> ``[n, size/16, size/16, 256]``.

    Args:
        norm: The network in training instead: normalisation for biases, all stages, ``[n, size/32, size/32, 512]``.
        size: Side of the input, a multiple of 32.
    """
    from training.learning.networks.heavy import keras  # heavy: only training and the export reach Keras

    inputs = keras.Input((size, size, 3), name="pixels")
    x = _convolution(inputs, STEM, 3, 2, "stem", norm=norm)
    ends: dict[str, Any] = {}
    for name, kind, stride, expanded, channels in BLOCKS:
        if not norm and name.startswith(f"stage{SHIPPED + 1}"):
            return keras.Model(
                inputs, _both_signs([ends[stage] for stage in STAGES[1:SHIPPED]]), name="crowdtune_small"
            )
        y = x
        if kind == "fused":
            y = _convolution(y, expanded, 3, stride, f"{name}_expand", norm=norm)
        else:
            y = _convolution(y, expanded, 1, 1, f"{name}_expand", norm=norm)
            y = _convolution(y, 0, 3, stride, f"{name}_depthwise", norm=norm)
        y = _convolution(y, channels, 1, 1, f"{name}_project", norm=norm, relu=False)
        if stride == 1 and x.shape[-1] == channels:
            x = keras.layers.Add(name=f"{name}_out")([x, y])
        else:
            x = keras.layers.Activation("linear", name=f"{name}_out")(y)
        ends[name] = x
    x = _convolution(x, FEATURES, 1, 1, "features", norm=norm)
    return keras.Model(inputs, x, name="crowdtune_small_in_training")


def _both_signs(maps: Sequence[Any]) -> Any:
    """Positive and negative part of each stage's map, averaged onto the grid of the last, side by side."""
    from training.learning.networks.heavy import keras  # as above

    parts = []
    for index, x in enumerate(maps):
        for name, sign in (("positive", 1.0), ("negative", -1.0)):
            y = keras.layers.ReLU(name=f"stage{index}_{name}")(keras.layers.Rescaling(sign)(x))
            stride = 2 ** (len(maps) - 1 - index)
            parts.append(keras.layers.AveragePooling2D(stride)(y) if stride > 1 else y)
    return keras.layers.Concatenate(name="features")(parts)


def _convolution(x: Any, channels: int, kernel: int, stride: int, name: str, *, norm: bool, relu: bool = True) -> Any:
    """Convolution (depthwise where ``channels`` is 0), then batch normalisation or a bias, then ReLU."""
    from training.learning.networks.heavy import keras  # as above

    options = {"strides": stride, "padding": "same", "use_bias": not norm, "name": name}
    if channels:
        x = keras.layers.Conv2D(channels, kernel, kernel_initializer="he_normal", **options)(x)
    else:
        x = keras.layers.DepthwiseConv2D(kernel, depthwise_initializer="he_normal", **options)(x)
    if norm:
        x = keras.layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def fold(trained: Any) -> dict[str, np.ndarray]:
    """Weights of ``build_small()`` whose stages answer like those of ``trained`` (``build_small(norm=True)``).

    Returns:
        ``{"<layer>/kernel", "<layer>/bias"}``, float32. w' = w * gamma / sqrt(var + eps), b' = beta - mean * that.
    """
    weights: dict[str, np.ndarray] = {}
    for layer in trained.layers:
        if not hasattr(layer, "kernel") or layer.name.startswith((f"stage{SHIPPED + 1}", "features")):
            continue
        norm = trained.get_layer(f"{layer.name}_norm")
        gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in norm.get_weights())
        scale = gamma / np.sqrt(variance + norm.epsilon)
        kernel = np.asarray(layer.get_weights()[0], np.float64)
        depthwise = kernel.shape[-1] == 1 and layer.__class__.__name__ == "DepthwiseConv2D"
        weights[f"{layer.name}/kernel"] = (kernel * (scale[:, None] if depthwise else scale)).astype(np.float32)
        weights[f"{layer.name}/bias"] = (beta - mean * scale).astype(np.float32)
    return weights


def load_into(model: Any, weights: dict[str, np.ndarray]) -> None:
    """Set every kernel and bias of ``build_small()`` from arrays of any float type; a missing one raises KeyError."""
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            names = (f"{layer.name}/kernel", f"{layer.name}/bias")
            layer.set_weights([np.asarray(weights[name], np.float32) for name in names])
