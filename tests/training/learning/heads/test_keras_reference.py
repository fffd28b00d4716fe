"""Keras is the reference: what is cached changes nothing, and another backend, four devices (JAX shows four of a
processor) and half precision say the same."""

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
from tests.training.learning.conftest import QUICK_XLA, SMALL, sha
from training.learning.artifact import load_version, write_version
from training.learning.heads.dense import Head
from training.learning.networks.small import build_small
from training.learning.networks.weights import Weights, locate
from training.learning.tuning import devices
from training.learning.tuning.devices import Devices
from training.learning.tuning.finetune import build_tail, fine_tune
from training.learning.tuning.keras_loop import LoopOptions, Part, fit_epochs, predict_logits

FOUR = f"--xla_force_host_platform_device_count=4 {QUICK_XLA}"
JAX = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "XLA_FLAGS": FOUR}


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
    model = keras.Model(base.input, (last := keras.layers.Dense(2))(pooled))
    # A head that is wrong: of one that says nothing both epochs made it worse, and its zeros were kept and compared.
    last.set_weights([wave.normal(size=(pooled.shape[-1], 2)).astype(np.float32), np.float32([1, -1])])
    part = Part(lambda at: x[at], y)
    before = predict_logits(model, part)
    history = fit_epochs(model, part, part, LoopOptions(epochs=2, batch_size=8, learning_rate=1e-4), seed=3)
    logits = predict_logits(model, part)
    moved = float(np.abs(logits - before).max())
    return {"backend": keras.backend.backend(), "loss": history["loss"], "logits": logits.tolist(), "moved": moved}


def written(folder: Path) -> float:
    """How far a version that was retrained on this backend answers from what the runtime reads of its files."""
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(256, 3)).astype(np.float32), np.zeros(3, np.float32))]
    head = Head(layers, np.zeros(256, np.float32), np.ones(256, np.float32), 1.0, ("a", "b", "c"))
    tail = build_tail(SMALL, locate(SMALL, Path()), head)
    shape = tail.input_shape[1:]
    write_version(
        folder, tail=tail, tail_shape=shape, categories=head.categories, trunk_key="k", backbone=SMALL.key, size=128,
        temperature=1.0, recipe="fine_tuning", metrics={},
    )  # fmt: skip
    rows = np.abs(rng.normal(size=(4, *shape))).astype(np.float32)
    return float(np.abs(load_version(folder).logits(rows) - np.asarray(tail.predict_on_batch(rows))).max())


def tuned(weights: Weights, found: Devices) -> dict[str, Any]:
    """An epoch on 18 rows, which four devices cannot share evenly: the loss, some weights, and the ways of a batch."""
    rng = np.random.default_rng(int(sha("rows")[:8], 16))
    from training.learning.networks.boundary import cut_tensor
    from training.learning.networks.network import build

    base = build(SMALL)
    shape, dim = cut_tensor(base, SMALL.cut).shape[1:], int(base.output.shape[-1])
    y = np.eye(2, dtype=np.float32)[np.arange(18) % 2]
    x = (np.abs(rng.normal(size=(18, *shape))) + y[:, :1, None, None]).astype(np.float32)
    head = Head([(rng.normal(0, 0.01, (dim, 2)).astype(np.float32), np.zeros(2, np.float32))],
                np.zeros(dim, np.float32), np.ones(dim, np.float32), 1.0, ("a", "b"))  # fmt: skip
    part, ways = Part(lambda at: x[at], y), []
    options = LoopOptions(epochs=1, batch_size=18, learning_rate=1e-5)
    model, history = fine_tune(
        SMALL, weights, head, part, part, options=options, devices=found,
        progress=lambda report: ways.append(devices.ways()),
    )  # fmt: skip
    return {
        "loss": history["loss"], "val_loss": history["val_loss"], "ways": sorted(set(ways)),
        "weights": model.get_weights()[0].ravel()[:50].tolist(), "dtype": str(model.compute_dtype),
    }  # fmt: skip


def shared() -> dict[str, Any]:
    """``tuned`` by all devices of this process, where they are several."""
    found = devices.here()
    return {"names": found.names, **tuned(locate(SMALL, Path()), found)} if len(found.names) > 1 else {}


_FIT = """
import json, sys
from pathlib import Path
import training.learning.networks.heavy
import tests.training.learning.heads.test_keras_reference as here
print(json.dumps({**here.fitted(), "difference": here.written(Path(sys.argv[1], "version")), "shared": here.shared()}))
"""


def fitted_on(backend: str, folder: Path) -> dict[str, Any]:
    """All of it in a process of the backend's own: to start one takes longer than each."""
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
    assert on_tensorflow["moved"] > 0.05
    np.testing.assert_allclose(on_jax["logits"], on_tensorflow["logits"], atol=5e-3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_fine_tuned_with_jax_is_written_for_the_runtime_that_serves(on_jax: dict[str, Any]) -> None:
    assert on_jax["backend"] == "jax"
    assert on_jax["difference"] < 1e-4


@pytest.fixture(scope="module")
def full(small_weights: Weights) -> dict[str, Any]:
    """What one device trains in full precision."""
    return tuned(small_weights, Devices())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_four_devices_that_share_each_batch_train_what_one_trains(on_jax: dict[str, Any], full: dict[str, Any]) -> None:
    """One of this process, with whatever library it computes: four are JAX's."""
    four = on_jax["shared"]
    assert (full["ways"], four["ways"], len(four["names"])) == ([1], [4], 4)
    np.testing.assert_allclose(four["val_loss"], full["val_loss"], atol=1e-3)
    np.testing.assert_allclose(four["weights"], full["weights"], atol=1e-3)


def test_what_was_trained_in_half_precision_is_exported_in_full(small_weights: Weights, full: dict[str, Any]) -> None:
    before = keras.config.dtype_policy().name
    half = tuned(small_weights, Devices(policy="mixed_bfloat16", jit=True))
    assert keras.config.dtype_policy().name == before
    assert (half["dtype"], full["dtype"]) == ("float32", "float32")
    assert half["loss"] != full["loss"]  # it was another computation
    np.testing.assert_allclose(half["loss"], full["loss"], rtol=0.05)
