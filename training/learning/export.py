# ruff: noqa: E501 - the examples are lines of other programs
"""A version for other programs: .keras, TensorFlow SavedModel, ONNX and LiteRT, each compared before it is handed out.

One of the doors to Keras (ARCHITECTURE.md). The whole network goes into the file: uint8 pictures
``[n, size, size, 3]`` in, calibrated probabilities out, so that no preprocessing can be forgotten. No Lambda layers
and no code of ours that an importer would have to run: what is exported is made of Keras' own layers (LocalResponse-
Normalization of the historic networks excepted, in .keras only).
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from labeling.text.words import gettext as _
from training.learning.artifact import CARD, Classifier, compare_with_keras, load_version
from training.learning.errors import LearningError, NotFaithful
from training.learning.files import folder_atomic, read_arrays, sha256_of
from training.learning.heads.dense import Head
from training.learning.networks.backbones import Backbone
from training.learning.networks.weights import Weights


def keras_model_of(classifier: Classifier, backbone: Backbone, weights: Weights) -> Any:
    """The version as one Keras model: uint8 pictures -> calibrated probabilities.

    Args:
        classifier: A loaded version, extraction or fine-tuned.
        backbone, weights: What its manifest names; the weights' SHA-256 is the caller's to compare.
    """
    from training.learning.tuning.finetune import whole_model  # defines Keras layers
    from training.learning.verify import keras_classifier

    if classifier.head is not None:
        return keras_classifier(backbone, weights, classifier.head)
    tail = tail_model(classifier, backbone, weights)
    return whole_model(backbone, weights, tail, classifier.temperature, classifier.manifest.get("cut"))


def tail_model(classifier: Classifier, backbone: Backbone, weights: Weights) -> Any:
    """What a fine-tuned version has learned, in Keras: activations at its cut -> logits."""
    from training.learning.tuning.finetune import build_tail  # as above

    arrays = _tail_arrays(classifier.folder)
    head = _empty_head(arrays, classifier.categories)
    tail = build_tail(backbone, weights, head, classifier.manifest.get("cut"))
    tail.set_weights([arrays[f"w{index}"] for index in range(len(tail.weights))])
    return tail


def _tail_arrays(folder: Path) -> dict[str, np.ndarray]:
    path = folder / "tail.npz"
    if not path.exists():
        raise LearningError(
            _("%(folder)s keeps no weights of its last block: train the version again to export it.")
            % {"folder": folder}
        )
    return read_arrays(path)


def _empty_head(arrays: dict[str, np.ndarray], categories: tuple[str, ...]) -> Head:
    """The standardisation of the version and dense layers of its shapes, whose weights are set afterwards."""
    shapes = [tuple(int(n) for n in arrays[name]) for name in sorted(n for n in arrays if n.startswith("dense"))]
    layers = [(np.zeros(shape, np.float32), np.zeros(shape[1], np.float32)) for shape in shapes]
    scale = 1 / arrays["scale"]
    return Head(layers, (-arrays["offset"] * scale).astype(np.float32), scale.astype(np.float32), 1.0, categories)


def export(
    version: Path, kind: str, target: Path, *, backbone: Backbone, weights: Weights, pictures: np.ndarray
) -> dict[str, Any]:
    """Write the version as ``kind`` into the folder ``target``, verified on ``pictures``.

    Args:
        version: Folder of a version.
        kind: A key of FORMATS.
        target: Folder to make: the model's file or folder, ``labels.txt``, ``example.py``, ``export.json`` and,
            where the version has one, its card.
        pictures: uint8 ``[n, size, size, 3]``, n >= 1, to compare the file with Keras on.

    Returns:
        What ``export.json`` says: format, file, sha256, largest difference from Keras, same top category.

    Raises:
        LearningError: no such format, or what it needs is not installed (``format_unavailable``, with the reason).
        NotFaithful: the file answers otherwise than Keras.
    """
    if kind not in FORMATS:
        raise LearningError(f"Expected one of {', '.join(FORMATS)}; got {kind!r}.", "unknown_format")
    name, write, run, needs, example = FORMATS[kind]
    missing = [package for package in needs if importlib.util.find_spec(package) is None]
    if missing:
        raise LearningError(
            _("%(kind)s needs %(packages)s, which is not installed here: pip install %(install)s.")
            % {"kind": kind, "packages": ", ".join(missing), "install": " ".join(missing)},
            "format_unavailable",
        )
    classifier = load_version(version)
    model = keras_model_of(classifier, backbone, weights)
    expected = np.asarray(model.predict(pictures, batch_size=8, verbose=0))
    with folder_atomic(target) as new:
        write(model, new / name)
        found = compare_with_keras(run(new / name, pictures), expected)
        if not found["passed"]:
            raise NotFaithful(
                _("The %(kind)s file answers otherwise than Keras: %(found)s. It was not kept.")
                % {"kind": kind, "found": found}
            )
        (new / "labels.txt").write_text("\n".join(classifier.categories) + "\n", "utf-8")
        (new / "example.py").write_text(example)
        if (version / CARD).exists():
            shutil.copy(version / CARD, new / CARD)
        facts = {"format": kind, "file": name, "size": backbone.size, "categories": list(classifier.categories),
                 "verification": found, "sha256": sha256_of(new / name) if (new / name).is_file() else None}  # fmt: skip
        (new / "export.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False))
    return facts


def _write_keras(model: Any, path: Path) -> None:
    model.save(path)


def _run_keras(path: Path, pictures: np.ndarray) -> np.ndarray:
    from training.learning.networks.heavy import keras  # the exporter's process only

    return np.asarray(keras.saving.load_model(path, safe_mode=True).predict(pictures, batch_size=8, verbose=0))


def _write_saved_model(model: Any, path: Path) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def _run_saved_model(path: Path, pictures: np.ndarray) -> np.ndarray:
    import tensorflow  # as above: this is the format's own runtime

    loaded = tensorflow.saved_model.load(str(path))  # keep it: its function does not keep its variables
    return np.asarray(loaded.serve(tensorflow.constant(pictures)))


def _write_onnx(model: Any, path: Path) -> None:
    import tensorflow  # as above
    from tf2onnx.handler import tf_op  # is needed for this format alone

    from training.learning.networks.heavy import keras  # the exporter's process only

    tf_op("Erfc")(_Erfc)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            # tf2onnx turns tensors of a layer that are no variables into inputs of the file.
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    # Keras puts a grouped convolution into a function of its own, for XLA; called eagerly, it becomes part of the graph.
    eager = tensorflow.config.functions_run_eagerly()
    tensorflow.config.run_functions_eagerly(True)
    try:
        model.export(path, format="onnx", verbose=False)
    finally:
        tensorflow.config.run_functions_eagerly(eager)


class _Erfc:
    """1 - erf, which Keras makes gelu of; tf2onnx knows Erf only."""

    @classmethod
    def version_9(cls, graph: Any, node: Any, **_options: Any) -> None:
        node.type, out = "Erf", node.output[0]
        one = graph.make_const(f"{node.name}_one", np.ones((), np.float32))
        graph.insert_new_node_on_output("Sub", out, name=f"{node.name}_rest", inputs=[one.output[0], out])


def _run_onnx(path: Path, pictures: np.ndarray) -> np.ndarray:
    import onnxruntime  # as above

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: pictures})[0])


def _write_litert(model: Any, path: Path) -> None:
    model.export(path, format="litert", verbose=False)


def _run_litert(path: Path, pictures: np.ndarray) -> np.ndarray:
    import tensorflow  # carries LiteRT's interpreter

    interpreter = tensorflow.lite.Interpreter(model_path=str(path))
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(given, [1, *pictures.shape[1:]])
    interpreter.allocate_tensors()
    rows = []
    for picture in pictures:
        interpreter.set_tensor(given, picture[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(answer)[0])
    return np.stack(rows)


PHOTO = (  # the lines of an example that see a picture as the platform does
    "photo = ImageOps.exif_transpose(Image.open('photo.jpg')).convert('RGBA')\n"
    "photo = Image.alpha_composite(Image.new('RGBA', photo.size, 'white'), photo).convert('RGB')\n"
)
Entry = tuple[str, Callable[[Any, Path], None], Callable[[Path, np.ndarray], np.ndarray], tuple[str, ...], str]
# format -> (path, write, run, packages needed, an example of a few lines)
FORMATS: dict[str, Entry] = {
    "keras": (
        "model.keras", _write_keras, _run_keras, ("keras",),
        "# pip install tensorflow pillow\nimport keras, numpy as np\nfrom PIL import Image, ImageOps\nmodel = keras.saving.load_model('model.keras')\n"
        + PHOTO + "picture = photo.resize(model.input_shape[1:3], Image.BILINEAR)\n"
        "print(open('labels.txt', encoding='utf8').read().split('\\n')[model.predict(np.asarray(picture)[None]).argmax()])\n",
    ),
    "saved_model": (
        # TensorFlow Serving wants numbered folders below the one that it is given.
        "saved_model/1", _write_saved_model, _run_saved_model, ("tensorflow",),
        "# pip install tensorflow pillow\nimport numpy as np, tensorflow as tf, json\nfrom PIL import Image, ImageOps\nsize = json.load(open('export.json'))['size']\n"
        + PHOTO + "picture = np.asarray(photo.resize((size, size), Image.BILINEAR))[None]\n"
        "model = tf.saved_model.load('saved_model/1')\n"
        "print(open('labels.txt', encoding='utf8').read().split('\\n')[int(model.serve(picture).numpy().argmax())])\n",
    ),
    "onnx": (
        "model.onnx", _write_onnx, _run_onnx, ("tf2onnx", "onnxruntime"),
        "# pip install onnxruntime pillow\nimport numpy as np, onnxruntime, json\nfrom PIL import Image, ImageOps\nsize = json.load(open('export.json'))['size']\n"
        + PHOTO + "picture = np.asarray(photo.resize((size, size), Image.BILINEAR))[None]\n"
        "model = onnxruntime.InferenceSession('model.onnx')\n"
        "print(open('labels.txt', encoding='utf8').read().split('\\n')[model.run(None, {model.get_inputs()[0].name: picture})[0].argmax()])\n",
    ),
    "litert": (
        "model.tflite", _write_litert, _run_litert, ("tensorflow",),
        "# pip install ai-edge-litert pillow\nimport numpy as np, json\nfrom ai_edge_litert.interpreter import Interpreter\nfrom PIL import Image, ImageOps\nsize = json.load(open('export.json'))['size']\n"
        + PHOTO + "picture = np.asarray(photo.resize((size, size), Image.BILINEAR))[None]\n"
        "model = Interpreter('model.tflite').get_signature_runner()\n"
        "print(open('labels.txt', encoding='utf8').read().split('\\n')[next(iter(model(**{next(iter(model.get_input_details())): picture}).values())).argmax()])\n",
    ),
}  # fmt: skip
