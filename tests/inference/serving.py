"""A small trunk made with OpenVINO alone, heads on it, and pictures: no Keras, milliseconds."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from training.learning.files import sha256_of
from training.learning.heads.dense import Head
from training.learning.networks.light import openvino
from training.learning.networks.light import operations as ops

SIZE, DIM = 32, 12
CATEGORIES = ("blue", "green", "red")
URL = "/api/v1/projects/colours/"


def make_trunk(
    root: Path, key: str = "tiny-0000", dim: int = DIM, size: int = SIZE, *, layers: int = 1, mixed: bool = False
) -> Path:
    """A folder as ``export_trunk`` writes it: one convolution with fixed weights, ReLU, global average pooling.

    With two ``layers`` the features are the averages of both, one behind the other: ``2 * dim`` of them. ``mixed`` ones
    are as many as the averages, but each is of all channels.
    """
    folder = root / key
    folder.mkdir(parents=True, exist_ok=True)
    kernel = np.random.default_rng(7).normal(0, 0.02, (dim, 3, 3, 3)).astype(np.float32)
    images = ops.parameter([-1, size, size, 3], np.uint8, name="images")
    x = ops.transpose(ops.convert(images, np.float32), [0, 3, 1, 2])
    x = ops.relu(ops.convolution(x, kernel, [2, 2], [1, 1], [1, 1], [1, 1]))
    pooled = ops.reduce_mean(x, [2, 3], keep_dims=False)
    if layers == 2:
        deeper = ops.reduce_mean(ops.relu(ops.negative(x)), [2, 3], keep_dims=False)
        pooled, dim = ops.concat([pooled, deeper], 1), 2 * dim
    if mixed:
        pooled = ops.matmul(pooled, np.random.default_rng(8).normal(0, 1, (dim, dim)).astype(np.float32), False, False)
    openvino.save_model(openvino.Model([pooled], [images]), str(folder / "trunk.xml"), compress_to_fp16=False)
    facts = {
        "format": 1, "key": key, "backbone": "tiny", "size": size, "preprocessing": "inside", "cut": None,
        "shape": [dim], "dim": dim, "sha256": {name: sha256_of(folder / name) for name in ("trunk.xml", "trunk.bin")},
    }  # fmt: skip
    (folder / "trunk.json").write_text(json.dumps(facts))
    return folder


def make_tail(folder: Path, dim: int = DIM) -> None:
    """A version as ``write_version`` leaves it of a fine-tuning: its block is one matrix."""
    folder.mkdir(parents=True)
    activations = ops.parameter([-1, dim], np.float32, name="activations")
    weights = np.random.default_rng(9).normal(0, 1, (dim, len(CATEGORIES))).astype(np.float32)
    logits = ops.matmul(activations, weights, False, False)
    openvino.save_model(openvino.Model([logits], [activations]), str(folder / "tail.xml"), compress_to_fp16=False)
    manifest = {
        "schema": 1, "categories": CATEGORIES, "trunk_key": "tiny-0000", "temperature": 1.0, "tail_shape": [dim],
        "files": {name: sha256_of(folder / name) for name in ("tail.xml", "tail.bin")},
        "verification": {"passed": True},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))


def make_head(seed: int, dim: int = DIM, categories: tuple[str, ...] = CATEGORIES) -> Head:
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (dim, len(categories))).astype(np.float32)
    return Head(
        [(weights, np.zeros(len(categories), np.float32))],
        np.zeros(dim, np.float32), np.ones(dim, np.float32), 1.0, categories,
    )  # fmt: skip


def picture(seed: int = 0, size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    """An encoded image of coloured noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(coarse).resize(size).save(buffer, kind)
    return buffer.getvalue()


def ask(api: Any, seed: int = 1, size: tuple[int, int] = (60, 40)) -> Any:
    """One predict request."""
    file = io.BytesIO(picture(seed, size))
    file.name = "photo.png"
    return api.post(URL + "predict/", {"image": file}, format="multipart")
