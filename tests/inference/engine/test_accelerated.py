"""The engine of a GPU, with TensorFlow on the processor as its device, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
backbone = catalogue.backbone_of(sys.argv[1])
folder = ensure_trunk(backbone, locate(backbone, settings.KERAS_HOME), Path(settings.DATA_DIR) / "trunks")
before = "tensorflow" in sys.modules
engine = runtime.engine()
trunk = engine.trunk(folder.name)
pictures = np.random.default_rng(0).integers(0, 256, (21, trunk.size, trunk.size, 3), dtype=np.uint8)
answers = [None] * 21
def ask(index):
    answers[index] = engine.embed(trunk, [pictures[index]])
threads = [threading.Thread(target=ask, args=(index,)) for index in range(21)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
exact = Trunk(folder).embed(pictures)
gap = np.abs(np.concatenate(answers) - exact).max() / np.abs(exact).max()
print(json.dumps({
    "kind": type(trunk).__name__, "behind": type(trunk._trunk).__name__, "gap": float(gap), "before": before,
    "after": "tensorflow" in sys.modules, "batches": trunk.batches,
}), flush=True)
os._exit(0)
"""


@pytest.fixture
def in_a_process(tmp_path: Path) -> Callable[..., str]:
    """Runs code with a GPU asked for; the last line that it prints."""

    def run(code: str, *arguments: str) -> str:
        environment = os.environ | {
            "DATA_DIR": str(tmp_path), "INFERENCE_DEVICE": "gpu", "INFERENCE_BATCH": "8",
            "KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(settings.KERAS_HOME), "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return (done.stdout.splitlines() or [""])[-1]

    return run


def test_requests_meet_in_batches_on_keras_and_get_the_features_of_the_exported_trunk(
    in_a_process, small_trunk_folder, tmp_path
) -> None:
    copy(small_trunk_folder(), tmp_path)
    said = json.loads(in_a_process(CODE, "crowdtune_small"))
    assert (said["kind"], said["behind"]) == ("Batched", "KerasTrunk")
    assert said["gap"] < 1e-4
    assert not said["before"], "TensorFlow may come only with the device"
    assert said["after"]
    assert 3 <= said["batches"] < 21, "21 pictures by 8 take three batches at least, and fewer than one each"


def test_an_imported_backbone_answers_there_as_one_of_the_zoo_does(in_a_process, tmp_path, settings) -> None:
    import keras

    settings.DATA_DIR = tmp_path
    inputs = keras.Input((32, 32, 3))
    maps = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    keras.Model(inputs, maps).save(tmp_path / "net.keras")
    catalogue.add(file=tmp_path / "net.keras", declared=catalogue.Declared("own_net", "Own net", 32, "tf", "MIT"))
    export_here("own_net")
    said = json.loads(in_a_process(CODE, "own_net"))
    assert said["behind"] == "KerasTrunk"
    assert said["gap"] < 1e-4
