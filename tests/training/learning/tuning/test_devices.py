"""Precision, compilation and several devices, as far as CPU devices tell: JAX shows four of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from config.management.commands.up import _trainers
from tests import ROOT
from tests.training.learning.conftest import QUICK_XLA, SMALL, sha
from training.learning.heads.dense import Head
from training.learning.networks.weights import Weights
from training.learning.tuning import devices
from training.learning.tuning.devices import Devices
from training.learning.tuning.finetune import fine_tune
from training.learning.tuning.keras_loop import LoopOptions, Part, filled
from training.runs.trainer import child_environment

_TUNE = """
import json
from pathlib import Path
import training.learning.networks.heavy
from tests.training.learning.conftest import SMALL
from tests.training.learning.tuning.test_devices import tuned
from training.learning.tuning import devices
from training.learning.networks.weights import locate
found = devices.here()
print(json.dumps({"names": found.names, **tuned(locate(SMALL, Path("/nonexistent")), found)}))
"""


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


@pytest.fixture(scope="module")
def full(small_weights: Weights) -> dict[str, Any]:
    """What one device trains in full precision."""
    return tuned(small_weights, Devices())


@pytest.mark.slow
def test_four_devices_that_share_each_batch_train_what_one_trains(full: dict[str, Any]) -> None:
    """One of this process, with whatever library it computes: four are JAX's."""
    flags = f"--xla_force_host_platform_device_count=4 {QUICK_XLA}"
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    done = subprocess.run([sys.executable, "-c", _TUNE], env=environment, capture_output=True, text=True,
                          cwd=ROOT, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    four = json.loads(done.stdout.splitlines()[-1])
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


def test_without_a_gpu_all_of_it_is_off() -> None:
    if devices._listed("gpu"):
        pytest.skip("there is a GPU here")
    assert devices.here() == Devices()
    assert devices.ways() == 1
    rows = np.arange(3.0)
    assert filled(rows) is rows


def test_each_of_several_trainers_sees_its_own_gpu(settings: Any) -> None:
    settings.TRAINERS = 1
    assert [program.name for program in _trainers(["manage"])] == ["trainer"]
    settings.TRAINERS = 2
    assert [list(program.command)[-2:] for program in _trainers(["manage"])] == [["--gpu", "0"], ["--gpu", "1"]]
    assert child_environment(1)["CUDA_VISIBLE_DEVICES"] == "1"
    assert child_environment().get("CUDA_VISIBLE_DEVICES") == os.environ.get("CUDA_VISIBLE_DEVICES")
