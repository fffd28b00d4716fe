"""Keras is the reference: what is cached changes nothing, and another backend says the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests import ROOT
from tests.training.learning.conftest import QUICK_XLA
from training.learning.artifact import load_version, write_version
from training.learning.heads.dense import Head
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.small import build_small
from training.learning.networks.weights import locate

JAX = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "XLA_FLAGS": QUICK_XLA}


def test_a_head_trained_on_cached_features_equals_the_plain_keras_run_to_the_bit() -> None:
    """The guide's model (frozen base inside) and the same head on the base's features, batch for batch."""
    keras.utils.set_random_seed(0)
    base = build_small(size=32)
    base.trainable = False
    pooled = keras.Sequential([keras.Input((32, 32, 3)), base, keras.layers.GlobalAveragePooling2D()])
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (64, 32, 32, 3)).astype(np.float32), rng.integers(0, 3, 64)
    features = np.concatenate([np.asarray(pooled(x[i : i + 16], training=False)) for i in range(0, 64, 16)])
    start = [rng.normal(0, 0.01, (features.shape[1], 3)).astype(np.float32), np.zeros(3, np.float32)]

    def trained(inputs: np.ndarray, front: list[object]) -> list[np.ndarray]:
        dense = keras.layers.Dense(3, activation="softmax")
        model = keras.Sequential([keras.Input(inputs.shape[1:]), *front, dense])
        dense.set_weights(start)
        model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
        model.fit(inputs, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        return dense.get_weights()

    for plain, cached in zip(trained(x, [pooled]), trained(features, []), strict=True):
        np.testing.assert_array_equal(plain, cached)


def fitted() -> dict[str, Any]:
    """Two epochs of a network with a block of each kind on this backend, from weights that numpy has drawn."""
    from training.learning.tuning.keras_loop import LoopOptions, Part, fit_epochs, predict_logits

    rng = np.random.default_rng(0)
    y = np.eye(2, dtype=np.float32)[np.arange(24) % 2]
    x = (rng.normal(size=(24, 32, 32, 3)) + y[:, :1, None, None]).astype(np.float32)
    base = build_small(size=32)
    base = keras.Model(base.input, base.get_layer("stage3_a_out").output)
    wave = np.random.default_rng(1)
    shapes = [value.shape for value in base.get_weights()]
    spread = [np.sqrt(max(1, np.prod(shape[:-1]))) for shape in shapes]
    base.set_weights(
        [(wave.normal(size=shape) / by).astype(np.float32) for shape, by in zip(shapes, spread, strict=True)]
    )
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    model = keras.Model(base.input, keras.layers.Dense(2, kernel_initializer="zeros")(pooled))
    part = Part(lambda at: x[at], y)
    history = fit_epochs(model, part, part, LoopOptions(epochs=2, batch_size=8, learning_rate=1e-4), seed=3)
    logits = predict_logits(model, part).tolist()
    return {"backend": keras.backend.backend(), "loss": history["loss"], "logits": logits}


def written(folder: Path) -> float:
    """How far a version that was retrained on this backend answers from what the runtime reads of its files."""
    from training.learning.tuning.finetune import build_tail

    small, rng = BACKBONES["crowdtune_small"], np.random.default_rng(0)
    layers = [(rng.normal(size=(256, 3)).astype(np.float32), np.zeros(3, np.float32))]
    head = Head(layers, np.zeros(256, np.float32), np.ones(256, np.float32), 1.0, ("a", "b", "c"))
    tail = build_tail(small, locate(small, Path()), head)
    shape = tail.input_shape[1:]
    write_version(
        folder, tail=tail, tail_shape=shape, categories=head.categories, trunk_key="k", backbone=small.key, size=128,
        temperature=1.0, recipe="fine_tuning", metrics={},
    )  # fmt: skip
    rows = np.abs(rng.normal(size=(4, *shape))).astype(np.float32)
    return float(np.abs(load_version(folder).logits(rows) - np.asarray(tail.predict_on_batch(rows))).max())


_FIT = """
import json, sys
from pathlib import Path
import training.learning.networks.heavy
import tests.training.learning.heads.test_keras_reference as here
print(json.dumps({**here.fitted(), "difference": here.written(Path(sys.argv[1], "version"))}))
"""


def fitted_on(backend: str, folder: Path) -> dict[str, Any]:
    """``fitted`` and ``written`` in a process of the backend's own: to start one takes longer than either."""
    environment = os.environ | JAX | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", _FIT, str(folder)], env=environment, capture_output=True, text=True,
                          check=True, cwd=ROOT)  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return fitted_on("jax", tmp_path_factory.mktemp("jax"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_tensorflow_and_jax_train_the_same_network(on_jax: dict[str, Any], tmp_path: Path) -> None:
    here = keras.backend.backend() == "tensorflow"
    on_tensorflow = fitted() if here else fitted_on("tensorflow", tmp_path)
    assert (on_jax["backend"], on_tensorflow["backend"]) == ("jax", "tensorflow")
    np.testing.assert_allclose(on_jax["loss"], on_tensorflow["loss"], rtol=1e-3)
    np.testing.assert_allclose(on_jax["logits"], on_tensorflow["logits"], atol=5e-3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_fine_tuned_with_jax_is_written_for_the_runtime_that_serves(on_jax: dict[str, Any]) -> None:
    assert on_jax["backend"] == "jax"
    assert on_jax["difference"] < 1e-4
