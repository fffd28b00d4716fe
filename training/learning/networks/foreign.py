"""A ``.keras`` file from elsewhere, opened without running anything that came with it. A door to Keras.

``safe_mode`` alone has been walked around more than once (CVE-2025-1550, CVE-2025-8747, CVE-2025-9905: a config that
names any function of any module, or a helper of Keras itself that fetches files). So the archive is read first, and
only what is plainly a network passes: layers of ``keras.layers`` but those that wrap other code, the few that networks
of ``keras.applications`` bring along, our own layer of the historic networks, operations of ``keras.ops``, and their
initializers, regularizers, constraints and activations. Weights must lie inside the file.

An operator opens such a file (``manage.py backbones add``), never a person by an upload.
"""

from __future__ import annotations

import inspect
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from training.learning.errors import LearningError
from training.learning.networks.boundary import cut_tensor, node_of
from training.learning.networks.heavy import keras  # by the trainer, the export and a command
from training.learning.networks.historic import LocalResponseNormalization  # Keras must know it to read it

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
MOST_CONFIG = 32 << 20  # bytes; NASNet Large has 0.7 MB
MOST_TIMES = 100  # larger unpacked than packed; numbers that were trained halve at best
# Layers that carry code of another kind, or run what a name says.
WRAPPERS = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer"}
APPLICATIONS = {
    ("keras.src.applications.convnext", "LayerScale"),
    ("keras.src.applications.convnext", "StochasticDepth"),
    ("keras.src.applications.inception_resnet_v2", "CustomScaleLayer"),
}
MODELS = {"Functional", "Sequential", "Model"}
POLICIES = {"DTypePolicy", "FloatDTypePolicy", "DTypePolicyMap"}
VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__slice__", "__ellipsis__"}
PARTS = ("initializers", "regularizers", "constraints")


def load_network(path: Path, layer: str = "", cut: str = "") -> Any:
    """The network, up to the output of ``layer`` where one is named, as a Keras model.

    Args:
        path, layer: The file, and where its features are.
        cut: Where it is to be cut, so that this place is found in a network inside it, too.

    Raises:
        LearningError: ``unsafe_file`` (with what was found), ``unreadable_file``, ``no_such_layer`` or
            ``not_a_backbone``.
    """
    check(path)
    try:
        model = keras.saving.load_model(path, custom_objects=None, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises a dozen kinds on a file that it cannot read
        raise LearningError(f"{path.name} cannot be read as a Keras model: {error}"[:500], "unreadable_file") from error
    if not model.built:
        raise LearningError(
            f"{path.name} was saved before it was built: it has no input and no weights.",
            "not_a_backbone",
        )
    # A Sequential becomes a graph of which each layer is a part.
    model = _in_float32(keras.Model(model.inputs, model.outputs))
    if not _has(model, layer):
        model = _opened(model)
    outputs = [_output_of(model, layer)] if layer else model.outputs
    if len(model.inputs) != 1 or len(outputs) != 1 or len(outputs[0].shape) not in (2, 4):
        raise LearningError(
            f"{path.name}: expected one picture in and maps [n, h, w, c] or features [n, dim] out; got"
            f" {len(model.inputs)} inputs and {[tuple(out.shape) for out in outputs]}. Name a layer whose output"
            " to use.",
            "not_a_backbone",
        )
    network = keras.Model(model.inputs[0], outputs[0])
    return network if _has(network, cut.removeprefix("<")) else _opened(network)


def _has(model: Any, layer: str) -> bool:
    return not layer or layer in {one.name for one in model.layers}


def _opened(model: Any) -> Any:
    """The network with the layers of the networks inside it as its own: a pretrained base is most often one of them.

    Only where a place in them is named: what was cut before as a whole stays as it was.
    """

    def inside(operation: Any) -> Any:
        inner = getattr(operation, "_functional", operation)  # a Sequential's graph
        if not isinstance(inner, keras.Model):
            return operation
        return lambda inputs, **_context: inner._run_through_graph(inputs, inside)

    try:
        return keras.Model(model.input, model._run_through_graph(model.input, inside))
    except ValueError:  # two layers of one name: none of them can be named
        return model


def _in_float32(model: Any) -> Any:
    """The network as the light runtime computes it: saved in mixed precision, its answers differ in the third digit."""
    halves = {"float16", "bfloat16"}
    if not any({layer.compute_dtype, layer.variable_dtype} & halves for layer in model._flatten_layers()):
        return model

    def plain(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):  # a bare operation computes in what it is given
            config["dtype"] = "float32"
        return layer.__class__.from_config(config)

    whole = keras.models.clone_model(model, clone_function=plain, recursive=True)
    whole.set_weights(model.get_weights())
    return whole


def _output_of(model: Any, layer: str) -> Any:
    try:
        found = model.get_layer(layer)
    except ValueError:
        names = ", ".join(one.name for one in model.layers[-8:])
        raise LearningError(f"There is no layer {layer!r}; the last ones are {names}.", "no_such_layer") from None
    return node_of(model, found).output_tensors[0]


def check(path: Path) -> None:
    """Raise LearningError ``unsafe_file`` unless the archive holds a network and nothing else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {entry.filename for entry in archive.infolist()}
            if not names <= MEMBERS or not {"config.json", "model.weights.h5"} <= names:
                raise _unsafe(path, f"its members are {sorted(names)}")
            if archive.getinfo("config.json").file_size > MOST_CONFIG:
                raise _unsafe(path, "its configuration is larger than any network's")
            packed = archive.getinfo("model.weights.h5")
            if packed.file_size > MOST_TIMES * packed.compress_size:
                raise _unsafe(path, f"its weights would take {packed.file_size:,} bytes, packed into a few")
            config = json.loads(archive.read("config.json"))
            if not isinstance(config, dict):
                raise ValueError("its configuration is no object")
            with tempfile.TemporaryDirectory() as scratch:
                _check_weights(path, Path(archive.extract("model.weights.h5", scratch)))
        config.pop("compile_config", None)  # not read
        _check_config(path, config)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RecursionError) as error:
        raise LearningError(f"{path.name} is no .keras file: {error}.", "unreadable_file") from error


def _check_weights(path: Path, weights: Path) -> None:
    """No link out of the file, no data kept elsewhere."""

    def look(group: Any) -> None:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _unsafe(path, f"its weights link to another place ({name})")
            item = group[name]
            if isinstance(item, h5py.Group):
                look(item)
            elif item.external or item.is_virtual:
                raise _unsafe(path, f"its weights lie outside ({name})")

    with h5py.File(weights, "r") as file:
        look(file)


def _check_config(path: Path, node: Any) -> None:
    if isinstance(node, list):
        for part in node:
            _check_config(path, part)
    if not isinstance(node, dict):
        return
    if "class_name" in node and not _is_plain(node):
        raise _unsafe(path, f"it names {node.get('module')}.{node['class_name']}")
    for part in node.values():
        _check_config(path, part)


def _is_plain(node: dict[str, Any]) -> bool:
    """Whether the object that the node describes is made by Keras alone, and does nothing but compute."""
    name, module, registered = str(node["class_name"]), node.get("module"), node.get("registered_name")
    if registered == keras.saving.get_registered_name(LocalResponseNormalization):  # of AlexNet, ZFNet and GoogLeNet
        return name == LocalResponseNormalization.__name__  # Keras goes by the registered name, wherever the class lay
    if registered not in (None, name):
        return False
    if module is None:
        return name in VALUES
    if module == "builtins":
        return name == "function" and hasattr(keras.activations, str(node.get("config")))
    if module == "keras.layers":
        return name not in WRAPPERS and _is_class(keras.layers, name, keras.layers.Layer)
    if (module, name) in APPLICATIONS:
        return True
    if module in ("keras", "keras.models") or module.startswith("keras.src.models."):
        return name in MODELS | POLICIES
    if module.startswith("keras.src.ops."):
        return hasattr(keras.ops, _snake(name)) or name in ("GetItem", "SliceUpdate")
    return module.startswith("keras.") and module[6:] in PARTS and _is_class(getattr(keras, module[6:]), name, object)


def _is_class(module: Any, name: str, base: type) -> bool:
    found = getattr(module, name, None)
    return inspect.isclass(found) and issubclass(found, base)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _unsafe(path: Path, what: str) -> LearningError:
    return LearningError(
        f"{path.name} is not opened: {what}. Only layers and operations of Keras itself are taken, no Lambda and no"
        " custom objects. Save the network without them.",
        "unsafe_file",
    )


def facts_of_network(path: Path, layer: str = "", *, size: int, cut: str = "") -> dict[str, Any]:
    """Open the file as a run would, and say what it is: ``{"parameters", "dim"}``.

    Args:
        size: Declared side of the input in pixels.
        cut: Declared boundary of the last block, "" for none.

    Raises:
        LearningError: as ``load_network``; or the declared size or cut does not fit the network.
    """
    model = load_network(path, layer, cut)
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3 or shape[2] not in (3, None) or any(side not in (size, None) for side in shape[:2]):
        raise LearningError(f"{path.name} takes {shape}; {size} x {size} x 3 was declared.", "bad_size")
    if cut:
        try:
            keras.Model(cut_tensor(model, cut), model.outputs[0])
        except Exception as error:
            raise LearningError(f"{path.name} cannot be cut at {cut!r}: {error}"[:500], "bad_cut") from error
    rows = model(np.zeros((1, size, size, 3), np.float32), training=False)
    if not np.isfinite(np.asarray(rows, np.float32)).all():
        raise LearningError(f"{path.name} answers black pixels with what is no number.", "not_a_backbone")
    return {"parameters": int(model.count_params()), "dim": int(rows.shape[-1])}
