"""The engine of a GPU, with TensorFlow on the processor as its device, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.training.trunks import copy, export_here
from training.zoo import catalogue

pytestmark = pytest.mark.slow

CODE = """
import os, sys, json, threading
import numpy as np
import django
django.setup()
from pathlib import Path
from django.conf import settings
from inference.engine import runtime
from training.zoo import catalogue
from training.learning.networks.trunk import Trunk, ensure_trunk
from training.learning.networks.weights import locate
before = "tensorflow" in sys.modules
engine = runtime.engine()
pictures = np.random.default_rng(0).integers(0, 256, (21, 128, 128, 3), dtype=np.uint8)
found = {"before": before}
for key in ("crowdtune_small", "own_net"):
    backbone = catalogue.backbone_of(key)
    folder = ensure_trunk(backbone, locate(backbone, settings.KERAS_HOME), Path(settings.DATA_DIR) / "trunks")
    trunk = engine.trunk(folder.name)
    asked = pictures[:, : trunk.size, : trunk.size]
    answers = [None] * 21
    def ask(index):
        answers[index] = engine.embed(trunk, [asked[index]])
    threads = [threading.Thread(target=ask, args=(index,)) for index in range(21)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    exact = Trunk(folder).embed(asked)
    found[key] = {
        "kind": type(trunk).__name__, "behind": type(trunk._trunk).__name__, "batches": trunk.batches,
        "gap": float(np.abs(np.concatenate(answers) - exact).max() / np.abs(exact).max()),
    }
found["beside"] = [name for name in ("tensorflow", "jax", "pandas", "sklearn") if name in sys.modules]
print(json.dumps(found), flush=True)
os._exit(0)
"""


def in_a_process(data: Path) -> Any:
    """Runs CODE with a GPU asked for; what it prints."""
    environment = os.environ | {
        "DATA_DIR": str(data), "INFERENCE_DEVICE": "gpu", "INFERENCE_BATCH": "8",
        "KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(settings.KERAS_HOME), "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_requests_meet_in_batches_on_keras_and_get_the_features_of_the_exported_trunk(
    small_trunk_folder: Callable[..., Path], tmp_path: Path, settings: Any
) -> None:
    import keras

    copy(small_trunk_folder(), tmp_path)
    settings.DATA_DIR = tmp_path
    inputs = keras.Input((32, 32, 3))
    maps = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    keras.Model(inputs, maps).save(tmp_path / "net.keras")
    catalogue.add(file=tmp_path / "net.keras", declared=catalogue.Declared("own_net", "Own net", 32, "tf", "MIT"))
    export_here("own_net")

    said = in_a_process(tmp_path)

    for key in ("crowdtune_small", "own_net"):  # an imported one answers there as one of the zoo does
        assert (said[key]["kind"], said[key]["behind"]) == ("Batched", "KerasTrunk")
        assert said[key]["gap"] < 1e-4
    batches = said["crowdtune_small"]["batches"]
    assert 3 <= batches < 21, "21 pictures by 8 take three batches at least, and fewer than one each"
    assert not said["before"], "TensorFlow may come only with the device"
    assert said["beside"] == ["tensorflow"], "what Keras finds beside itself takes longer to import than it does"
