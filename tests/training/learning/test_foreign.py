"""A .keras file from elsewhere: a plain network is opened, whatever could run code is not."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from training.learning.errors import LearningError
from training.learning.foreign import facts_of_network, load_network
from training.learning.historic import build_alexnet, build_googlenet, build_zfnet


def saved(path: Path) -> Any:
    """A classifier as people save them: preprocessing, a nested base, pooling, dense."""
    keras.utils.set_random_seed(1)
    base = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2", name="first"),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(6, 3, activation="relu", name="second"),
        ],
        name="base",
    )
    inputs = keras.Input((32, 32, 3))
    x = base(keras.ops.subtract(keras.ops.multiply(inputs, 1 / 127.5), 1.0))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="answer")(x))
    model.compile("adam", "categorical_crossentropy")
    model.save(path)
    return model


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The archive with another configuration."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    target = path.with_name("changed.keras")
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else data)
    return target


def test_a_plain_network_answers_as_it_was_saved(tmp_path: Path) -> None:
    model = saved(tmp_path / "net.keras")
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(load_network(tmp_path / "net.keras")(pictures), model(pictures), atol=1e-6)


@pytest.mark.parametrize("builder", [build_alexnet, build_zfnet, build_googlenet])
def test_the_historic_networks_come_back_from_the_files_that_they_were_saved_to(
    builder: Callable[..., Any], tmp_path: Path
) -> None:
    model = builder(size=96)
    model.save(tmp_path / "net.keras")
    pictures = np.random.default_rng(0).uniform(0, 255, (1, 96, 96, 3)).astype(np.float32)
    np.testing.assert_allclose(load_network(tmp_path / "net.keras")(pictures), model(pictures), atol=1e-4)


@pytest.mark.parametrize(("layer", "dim", "rank"), [("pool", 6, 2), ("base", 6, 4)])
def test_a_layer_gives_the_features_be_it_a_network_itself(layer: str, dim: int, rank: int, tmp_path: Path) -> None:
    saved(tmp_path / "net.keras")
    network = load_network(tmp_path / "net.keras", layer)
    assert len(network.outputs[0].shape) == rank
    facts = facts_of_network(tmp_path / "net.keras", layer, size=32)
    assert (facts["dim"], facts["parameters"]) == (dim, network.count_params())


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    saved(tmp_path / "net.keras")
    for wrong, said in (
        ({"layer": "nowhere", "size": 32}, "last ones are"),
        ({"size": 224}, "224 x 224 x 3 was declared"),
        ({"size": 32, "cut": "nowhere"}, "cannot be cut"),
    ):
        with pytest.raises(LearningError, match=said):
            facts_of_network(tmp_path / "net.keras", **wrong)
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(LearningError, match=r"no \.keras file"):
        load_network(tmp_path / "text.keras")


def test_a_lambda_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(tmp_path / "net.keras")
    with pytest.raises(LearningError, match="Lambda") as refusal:
        load_network(tmp_path / "net.keras")
    assert refusal.value.code == "unsafe_file"


@pytest.mark.parametrize(
    "node",
    [
        {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"},
        {"class_name": "function", "module": "builtins", "config": "eval", "registered_name": "function"},
        {"class_name": "get_file", "module": "keras.utils", "config": {}, "registered_name": None},
        {"class_name": "Own", "module": "keras.layers", "config": {}, "registered_name": "package>Own"},
        {"class_name": "TFSMLayer", "module": "keras.layers", "config": {}, "registered_name": None},
        {"class_name": "load_model", "module": "keras.src.saving.saving_api", "config": {}, "registered_name": None},
        {"class_name": "__lambda__", "config": {}},
    ],
)
def test_a_name_that_is_no_part_of_a_network_is_refused_wherever_it_stands(node: Any, tmp_path: Path) -> None:
    saved(tmp_path / "net.keras")

    def hide(config: dict[str, Any]) -> None:
        config["config"]["layers"][-1]["config"]["activation"] = node

    with pytest.raises(LearningError, match="is not opened"):
        load_network(rewritten(tmp_path / "net.keras", hide))


def test_weights_that_lie_elsewhere_and_further_members_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        archive.extractall(tmp_path / "parts")
    with h5py.File(tmp_path / "parts" / "model.weights.h5", "a") as file:
        file["secrets"] = h5py.ExternalLink("/etc/other.h5", "/all")
    for name, extra in (("linked.keras", {}), ("more.keras", {"assets/run.py": b"print()"})):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for path in (tmp_path / "parts").iterdir():
                archive.write(path, path.name)
            for member, data in extra.items():
                archive.writestr(member, data)
        with pytest.raises(LearningError, match="is not opened"):
            load_network(tmp_path / name)
