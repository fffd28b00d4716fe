"""LiteRT answers as OpenVINO and Keras do, or does not get a file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests import ROOT
from tests.training.learning.conftest import SMALL
from training.learning import portable
from training.learning.artifact import load_version, write_version
from training.learning.errors import ArtifactDamaged, LearningError
from training.learning.heads.dense import softmax
from training.learning.heads.head import fit_head
from training.learning.networks import litert, trunk
from training.learning.networks.litert import Interpreted
from training.learning.networks.trunk import Trunk
from training.learning.networks.weights import Weights
from training.learning.tuning.finetune import build_tail

Drawn = tuple[np.ndarray, np.ndarray]
written_here = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow writes files for LiteRT")


def test_it_answers_as_openvino_does_and_each_of_many_threads_gets_its_own(
    small_portable_folder: Path, small_trunk: Trunk, drawn: Drawn
) -> None:
    trunk = Trunk(small_portable_folder, threads=3, portable=True)
    expected = small_trunk.embed(drawn[0])
    scale = float(np.abs(expected).max())
    assert (trunk.key, trunk.dim, trunk.shape) == (small_trunk.key, small_trunk.dim, small_trunk.shape)
    assert (trunk.platform, small_trunk.platform) == ("litert", "openvino")
    wrong: list[int] = []

    def ask(first: int) -> None:
        for index in range(first, len(expected), 12):
            one = trunk.embed(drawn[0][index : index + 1])
            if np.abs(one - expected[index]).max() > 1e-5 * scale:
                wrong.append(index)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(12)]
    for thread in threads:
        thread.start()
    many = trunk.embed(drawn[0][:7])  # meanwhile, and in order
    for thread in threads:
        thread.join()
    assert not wrong
    np.testing.assert_allclose(many, expected[:7], atol=1e-5 * scale)
    assert trunk.embed(drawn[0][:0]).shape == (0, trunk.dim)


def test_an_interpreter_is_made_when_the_others_are_busy_and_no_more_than_there_are_threads(
    small_portable_folder: Path, drawn: Drawn
) -> None:
    network = Interpreted(litert.network_of(small_portable_folder), threads=2)

    def made() -> int:
        return sum(one is not None for one in network._idle.queue)

    for picture in drawn[0][:3]:
        network.one(picture[None])
    assert made() == 1
    network.rows(drawn[0])
    assert (made(), network._idle.qsize()) == (2, 2)


def test_no_more_cores_are_used_than_the_process_may(small_portable_folder: Path) -> None:
    """In a process of its own: the threads that OpenVINO begins would stay on that core."""
    code = (
        "import os, pathlib, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from training.learning.networks.trunk import Trunk;"
        "print([Trunk(pathlib.Path(sys.argv[1]), portable=each)._network._idle.qsize() for each in (False, True)])"
    )
    asked = [sys.executable, "-c", code, str(small_portable_folder)]
    assert subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[1, 1]"


def test_a_damaged_file_is_not_opened(small_portable_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / small_portable_folder.name
    shutil.copytree(small_portable_folder, folder)
    assert litert.is_there(folder)
    path = folder / "litert" / "network.tflite"
    path.write_bytes(path.read_bytes()[:-4])
    assert not litert.is_there(folder)
    with pytest.raises(ArtifactDamaged, match=r"network\.tflite is not the file that was written"):
        Trunk(folder, portable=True)
    path.unlink()
    with pytest.raises(ArtifactDamaged, match="holds no network for LiteRT"):
        Trunk(folder, portable=True)


@written_here
def test_the_tail_of_a_fine_tuned_version_answers_as_keras_does(
    small_trunk: Trunk, cut_trunk: Trunk, small_trunk_folder: Any, small_weights: Weights, drawn: Drawn, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pictures, labels = drawn
    head, _ = fit_head(small_trunk.embed(pictures), np.eye(2)[labels], categories=["across", "down"])
    tail = build_tail(SMALL, small_weights, head)
    tail.set_weights([weight * 1.01 for weight in tail.get_weights()])  # as if it had learned
    write_version(
        tmp_path, tail=tail, tail_shape=cut_trunk.shape, categories=["across", "down"], trunk_key=cut_trunk.key,
        backbone=SMALL.key, size=128, temperature=1.4, recipe="fine_tuning", metrics={}, extra={"cut": SMALL.cut},
    )  # fmt: skip
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))  # a converter's copy may be too large for /tmp
    portable.write_tail(SMALL, small_weights, tmp_path, small_trunk_folder(SMALL.cut))
    assert sorted(path.name for path in (tmp_path / "litert").iterdir()) == ["facts.json", "network.tflite"]
    assert json.loads((tmp_path / "litert" / "facts.json").read_text())["difference"] < 1e-4
    version = load_version(tmp_path, portable=True)
    assert version.tail is not None
    assert isinstance(version.tail._network, Interpreted)
    activations = cut_trunk.embed(pictures)
    expected = softmax(tail.predict(activations.reshape(-1, *cut_trunk.shape), verbose=0) / 1.4)
    np.testing.assert_allclose(version.probabilities_from_features(activations), expected, atol=1e-4)


@written_here
def test_what_answers_otherwise_or_cannot_be_written_is_told_once_and_has_no_file(
    small_portable_folder: Path, small_weights: Weights, tmp_path: Path
) -> None:
    folder = tmp_path / small_portable_folder.name
    shutil.copytree(small_portable_folder, folder)
    images = keras.Input((128, 128, 3), dtype="uint8")
    maps = keras.layers.Conv2D(256, 8, strides=8)(keras.layers.Rescaling(1 / 255)(images))
    other = keras.Model(images, keras.layers.GlobalAveragePooling2D()(maps))
    exported = Trunk(folder, threads=1)
    pictures = np.zeros((1, 128, 128, 3), np.uint8)

    def difference(network: Interpreted) -> float:
        return portable.faithful(network.rows(pictures), exported.embed(pictures), portable.TOLERANCE)

    portable._write(other, folder, difference)
    assert "differs" in litert.refusal_of(folder)
    assert [path.name for path in (folder / "litert").iterdir()] == ["facts.json"]
    before = litert.stamp_of(folder)
    assert not portable.ensure_portable(folder, SMALL, small_weights)
    assert litert.stamp_of(folder) == before, "it was not tried again"

    unknown = keras.layers.Activation(lambda x: keras.ops.fft((x, x))[0])  # LiteRT has no such operation of its own
    portable._write(
        keras.Model(images, keras.layers.Flatten()(unknown(keras.ops.cast(images, "float32")))), folder, difference
    )
    assert litert.refusal_of(folder)
    assert not litert.is_there(folder)


@pytest.mark.parametrize(
    ("error", "is_the_machines"),
    [
        (PermissionError("not there"), True),
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("/tmp/x/variables.data: No space left on device"), True),
        (RuntimeError("Encountered unresolved custom op: FFT."), False),
    ],
)
def test_a_full_disk_or_memory_is_no_fault_of_the_network(error: Exception, is_the_machines: bool) -> None:
    assert portable._is_the_machines(error) == is_the_machines


def test_an_export_that_takes_too_long_fails_as_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunk, "EXPORT_SECONDS", 0)
    with pytest.raises(LearningError, match="It took longer than 0 seconds"):
        trunk.with_tensorflow("import time; time.sleep(60)", [], "AlexNet", Path("alexnet"), module="timeit")
