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
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from training.learning.errors import LearningError
from training.learning.networks.boundary import cut_tensor
from training.learning.networks.foreign import facts_of_network, load_network
from training.learning.networks.historic import build_alexnet, build_googlenet, build_zfnet


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


def test_a_network_that_was_saved_when_our_layer_lay_in_another_module_is_opened(tmp_path: Path) -> None:
    def move(config: dict[str, Any]) -> None:
        ours = [layer for layer in config["config"]["layers"] if layer["class_name"] == "LocalResponseNormalization"]
        assert ours
        for layer in ours:
            layer["module"] = "training.learning.historic"

    build_alexnet(size=96).save(tmp_path / "net.keras")
    load_network(rewritten(tmp_path / "net.keras", move))


@pytest.mark.parametrize(("layer", "dim", "rank"), [("pool", 6, 2), ("base", 6, 4)])
def test_a_layer_gives_the_features_be_it_a_network_itself(layer: str, dim: int, rank: int, tmp_path: Path) -> None:
    saved(tmp_path / "net.keras")
    network = load_network(tmp_path / "net.keras", layer)
    assert len(network.outputs[0].shape) == rank
    facts = facts_of_network(tmp_path / "net.keras", layer, size=32)
    assert (facts["dim"], facts["parameters"]) == (dim, network.count_params())


def test_a_sequential_network_can_be_cut_and_ended_at_any_of_its_layers(tmp_path: Path) -> None:
    """Keras calls each of its layers anew for each that is added: the first call leads nowhere."""
    layers = [keras.layers.Conv2D(4, 3, name=f"block{number}") for number in range(3)]
    model = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    model.save(tmp_path / "net.keras")
    pictures = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)

    network = load_network(tmp_path / "net.keras", "block1")

    assert facts_of_network(tmp_path / "net.keras", "block1", size=16, cut="block0")["dim"] == 4
    behind = keras.Model(cut_tensor(network, "block0"), network.output)
    assert [layer.name for layer in behind.layers][1:] == ["block1"]
    np.testing.assert_allclose(network(pictures), layers[1](layers[0](pictures)), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("layer", "cut", "behind"),
    [
        ("", "first", ["second", "pool", "answer"]),
        ("second", "<second", ["second"]),
        ("base", "first", ["second"]),
    ],
)
def test_a_network_inside_another_is_cut_and_ended_at_any_of_its_layers(
    layer: str, cut: str, behind: list[str], tmp_path: Path
) -> None:
    model = saved(tmp_path / "net.keras")
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)

    facts = facts_of_network(tmp_path / "net.keras", layer, size=32, cut=cut)
    network = load_network(tmp_path / "net.keras", layer, cut)

    assert facts["parameters"] == network.count_params()
    front, block = (
        keras.Model(network.input, cut_tensor(network, cut)),
        keras.Model(cut_tensor(network, cut), network.output),
    )
    assert [one.name for one in block.layers if one.weights or one.name in behind][-len(behind) :] == behind
    base = model.get_layer("base")
    expected = model(pictures) if not layer else base(pictures / 127.5 - 1)
    np.testing.assert_allclose(block(front(pictures)), expected, atol=1e-6)


def test_of_two_layers_of_one_name_inside_none_can_be_named(tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    parts = [keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(2, 3, name="one")]) for _part in range(2)]
    keras.Model(inputs, keras.layers.Add()([part(inputs) for part in parts])).save(tmp_path / "net.keras")

    assert facts_of_network(tmp_path / "net.keras", size=16)["dim"] == 2
    with pytest.raises(LearningError, match="cannot be cut"):
        facts_of_network(tmp_path / "net.keras", size=16, cut="one")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_what_was_trained_in_mixed_precision_answers_in_float32_as_the_light_runtime_does(
    policy: str, tmp_path: Path
) -> None:
    inputs = keras.Input((16, 16, 3))
    inner = keras.Sequential([keras.layers.Conv2D(5, 3, dtype=policy, name="second")], name="inner")
    x = keras.layers.Conv2D(4, 3, dtype=policy, name="first")(inputs)
    x = keras.layers.BatchNormalization(dtype=policy)(inner(keras.ops.multiply(x, 0.5)))
    model = keras.Model(inputs, x)
    model.save(tmp_path / "net.keras")
    pictures = np.random.default_rng(0).uniform(0, 1, (2, 16, 16, 3)).astype(np.float32)

    network = load_network(tmp_path / "net.keras")

    assert {layer.compute_dtype for layer in network._flatten_layers()} == {"float32"}
    assert facts_of_network(tmp_path / "net.keras", size=16, cut="first")["dim"] == 5
    np.testing.assert_allclose(network(pictures), np.asarray(model(pictures), np.float32), atol=0.05)


def test_the_layers_that_networks_of_keras_itself_bring_along_are_opened(tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    x = LayerScale(0.5, 3)(inputs)
    x = CustomScaleLayer(0.2)([x, StochasticDepth(0.1)(x)])
    keras.Model(inputs, x).save(tmp_path / "net.keras")

    assert facts_of_network(tmp_path / "net.keras", size=16)["parameters"] == 3


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    saved(tmp_path / "net.keras")
    for wrong, said in (
        ({"layer": "nowhere", "size": 32}, "last ones are"),
        ({"size": 224}, "224 x 224 x 3 was declared"),
        ({"size": 32, "cut": "nowhere"}, "cannot be cut"),
    ):
        with pytest.raises(LearningError, match=said):
            facts_of_network(tmp_path / "net.keras", **wrong)
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential([keras.layers.Conv2D(4, 3)]).save(tmp_path / "never-called.keras")
    with pytest.raises(LearningError, match="before it was built"):
        load_network(tmp_path / "never-called.keras")
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Rescaling(float("nan"))(inputs)).save(tmp_path / "nan.keras")
    with pytest.raises(LearningError, match="no number"):
        facts_of_network(tmp_path / "nan.keras", size=32)
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


@pytest.mark.parametrize("config", [b"[1, 2]", b"[" * 100_000, b"{}", b"\xff"])
def test_a_configuration_that_is_none_is_refused_in_a_sentence(config: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", config)
        with h5py.File(tmp_path / "empty.h5", "w"):
            pass
        archive.write(tmp_path / "empty.h5", "model.weights.h5")
    with pytest.raises(LearningError) as refusal:
        load_network(tmp_path / "net.keras")
    assert refusal.value.code == "unreadable_file"


def test_weights_that_would_fill_a_disk_are_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(1 << 20))
    with pytest.raises(LearningError, match="would take 1,048,576 bytes"):
        load_network(tmp_path / "net.keras")


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
