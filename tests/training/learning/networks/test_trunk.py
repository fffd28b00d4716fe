"""The exported trunk: it answers like Keras, for many threads at once, and refuses what is not its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.learning.conftest import SMALL
from training.learning.errors import ArtifactDamaged, LearningError, NotFaithful
from training.learning.networks.keys import trunk_key
from training.learning.networks.trunk import Trunk, ensure_trunk, faithful, sample_pictures
from training.learning.networks.weights import Weights


def test_it_answers_like_keras(
    small_trunk: Trunk, small_weights: Weights, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    from training.learning.networks.network import trunk_model  # Keras, only where it is compared with

    pictures = drawn[0][:8]
    expected = trunk_model(SMALL, small_weights).predict(pictures, verbose=0)
    np.testing.assert_allclose(small_trunk.embed(pictures), expected, atol=1e-4 * np.abs(expected).max())


def test_many_threads_get_the_same_bits_as_one(small_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray]) -> None:
    pictures = drawn[0]
    alone = np.concatenate([small_trunk.embed(picture[None]) for picture in pictures])
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(small_trunk.embed, [pictures] * 16))
    for features in together:
        np.testing.assert_array_equal(features, alone)


def test_the_cut_has_a_shape_and_the_same_key_for_the_same_facts(cut_trunk: Trunk, small_weights: Weights) -> None:
    assert len(cut_trunk.shape) == 3
    assert cut_trunk.dim == np.prod(cut_trunk.shape)
    assert cut_trunk.embed(sample_pictures(2, 128)).shape == (2, cut_trunk.dim)
    assert cut_trunk.key == trunk_key(SMALL, small_weights.sha256, SMALL.cut)


@pytest.mark.usefixtures("small_disk")
def test_an_export_that_finds_no_room_says_so_in_a_line(small_weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="Free some disk") as refused:
        ensure_trunk(SMALL, small_weights, tmp_path)
    assert refused.value.code == "disk_full"
    assert "\n" not in refused.value.message
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_the_key_changes_with_whatever_the_features_depend_on() -> None:
    keys = {
        trunk_key(SMALL, "a"), trunk_key(SMALL, "b"), trunk_key(SMALL, "a", "stage1_a_out"),
        trunk_key(replace(SMALL, size=96), "a"), trunk_key(replace(SMALL, preprocessing="torch"), "a"),
    }  # fmt: skip
    assert len(keys) == 5


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 128, 128, 3), np.float32), np.zeros((1, 64, 64, 3), np.uint8), np.zeros((128, 128, 3), np.uint8)],
)
def test_other_shapes_and_types_are_refused(small_trunk: Trunk, images: np.ndarray) -> None:
    with pytest.raises(LearningError, match="uint8"):
        small_trunk.embed(images)


def test_no_pictures_give_no_rows(small_trunk: Trunk) -> None:
    assert small_trunk.embed(np.empty((0, 128, 128, 3), np.uint8)).shape == (0, small_trunk.dim)


def test_a_changed_file_is_not_loaded(small_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_folder, tmp_path / "copy")
    data = bytearray((copy / "trunk.bin").read_bytes())
    data[1000] ^= 1
    (copy / "trunk.bin").write_bytes(bytes(data))
    with pytest.raises(ArtifactDamaged, match="not the file"):
        Trunk(copy)
    (copy / "trunk.json").write_text(json.dumps({}))
    with pytest.raises(ArtifactDamaged):
        Trunk(copy)


def test_a_difference_from_keras_is_refused() -> None:
    assert faithful(np.array([1.0, 2.0]), np.array([1.0, 2.0001])) < 1e-3
    with pytest.raises(NotFaithful):
        faithful(np.array([1.0, 2.1]), np.array([1.0, 2.0]))
    with pytest.raises(NotFaithful):
        faithful(np.array([1.0, np.nan]), np.array([1.0, 2.0]))


def test_serving_imports_neither_keras_nor_tensorflow_nor_scipy() -> None:
    code = (
        "import sys, training.learning.networks.trunk, training.learning.artifact, training.learning.heads.head; "
        "import training.learning.feature_store, training.learning.store_filling, training.learning.networks.weights; "
        "print([m for m in ('keras', 'tensorflow', 'jax', 'scipy', 'django') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FIRST_TWO = """
import builtins, sys, threading, time
from pathlib import Path
from training.learning.networks.trunk import Trunk, sample_pictures

trunk = Trunk(Path(sys.argv[1]))
pictures = sample_pictures(1, trunk.size)
known = builtins.__import__

def slowly(name, *others, **named):
    if name.startswith("numpy"):
        time.sleep(0.5)  # the other thread comes in between
    return known(name, *others, **named)

builtins.__import__ = slowly
threads = [threading.Thread(target=trunk.embed, args=(pictures,)) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("both answered")
"""


def test_the_first_two_calls_of_a_process_do_not_wait_for_each_other(small_folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_TWO, str(small_folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.stdout.strip() == "both answered", ran.stderr[-2000:]
