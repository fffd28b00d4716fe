"""Leaving: every format answers as the version does, or is refused with what to install."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.training.learning.conftest import SMALL
from training.learning import export as exporting
from training.learning.artifact import load_version, write_version
from training.learning.errors import LearningError
from training.learning.export import FORMATS, export, keras_model_of
from training.learning.heads.head import fit_head
from training.learning.networks.trunk import Trunk
from training.learning.networks.weights import Weights
from training.learning.tuning.finetune import build_tail

Drawn = tuple[np.ndarray, np.ndarray]

# Examples, where nothing is installed but what their first line says: Keras imports those, too, and takes seconds more.
EXAMPLES = """
import os, runpy, sys
sys.modules.update(dict.fromkeys({"jax", "pandas", "sklearn"} - {os.environ.get("KERAS_BACKEND")}))
for folder in sys.argv[1:]:
    os.chdir(folder)
    runpy.run_path("example.py", run_name="__main__")
"""
TOGETHER = ("keras", "saved_model")  # TensorFlow takes longer to start than both of these


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, small_trunk: Trunk, drawn: Drawn) -> Path:
    pictures, labels = drawn
    head, _ = fit_head(small_trunk.embed(pictures), np.eye(2)[labels], categories=["across", "down"])
    folder = tmp_path_factory.mktemp("version") / "1"
    write_version(
        folder, head=head, categories=["across", "down"], trunk_key=small_trunk.key, backbone=SMALL.key, size=128,
        temperature=1.4, recipe="feature_extraction", metrics={},
    )  # fmt: skip
    (folder / "MODEL_CARD.md").write_text("# Model card: stripes")  # as a run writes it
    return folder


@pytest.fixture(scope="module")
def exported(
    version: Path, small_weights: Weights, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """The folder of the version in a format, and what was said of it: each made once, for it takes seconds."""

    @functools.cache
    def made(kind: str) -> tuple[Path, dict[str, Any]]:
        missing = [package for package in FORMATS[kind][3] if importlib.util.find_spec(package) is None]
        if missing:
            pytest.skip(f"{kind} needs {', '.join(missing)}, which is not installed")
        if kind in ("onnx", "litert") and keras.backend.backend() != "tensorflow":
            pytest.skip(f"{kind} is written by TensorFlow, in a process of its own whatever KERAS_BACKEND is")
        out = tmp_path_factory.mktemp("exported") / kind
        return out, export(version, kind, out, backbone=SMALL, weights=small_weights, pictures=drawn[0][:4])

    return made


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_answers_as_the_version_does(
    kind: str, exported: Any, version: Path, small_trunk: Trunk, drawn: Drawn
) -> None:
    out, facts = exported(kind)
    assert facts["verification"]["passed"]
    pictures = drawn[0][:4]
    answers = FORMATS[kind][2](out / facts["file"], pictures)
    served = load_version(version).probabilities_from_features(small_trunk.embed(pictures))
    np.testing.assert_allclose(answers, served, atol=1e-4)
    assert (out / "labels.txt").read_text().split() == ["across", "down"]
    assert (out / "MODEL_CARD.md").read_text() == "# Model card: stripes"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kinds", [TOGETHER, *((kind,) for kind in FORMATS if kind not in TOGETHER)], ids="-".join)
def test_the_example_runs_and_names_the_category_of_a_photo_as_phones_take_it(
    kinds: tuple[str, ...], exported: Any, drawn: Drawn, tmp_path: Path
) -> None:
    """Its pixels lie on their side, where stripes run the other way, and its EXIF says so; what is dark in it is black
    that can be seen through elsewhere, as in a picture cut out. The system reads files as ASCII, as Windows reads them
    in an alphabet of its own, and the names are Hindi.
    """
    if "litert" in kinds:
        pytest.importorskip("ai_edge_litert", reason="the example's runtime, of requirements/dev.in")
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = ImageOps.invert(Image.fromarray(drawn[0][0]).transpose(Image.Transpose.ROTATE_90).convert("L"))
    black = Image.new("RGB", lying.size)
    black.putalpha(lying)
    names = ("आड़ी", "खड़ी")
    for kind in kinds:
        out = shutil.copytree(exported(kind)[0], tmp_path / kind)
        black.save(out / "photo.jpg", "PNG", exif=exif)
        (out / "labels.txt").write_text("\n".join(names), "utf-8")
    system = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8"}
    folders = [str(tmp_path / kind) for kind in kinds]
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES, *folders], env=os.environ | system, capture_output=True, check=True
    )
    told = [line for line in done.stdout.decode().splitlines() if line in names]
    assert told == [names[drawn[1][0]]] * len(kinds)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_saved_model_lies_as_tensorflow_serving_looks_for_it(exported: Any) -> None:
    assert (exported("saved_model")[0] / "saved_model" / "1" / "saved_model.pb").is_file()


def test_a_fine_tuned_version_is_built_again_from_its_arrays(
    cut_trunk: Trunk, small_trunk: Trunk, small_weights: Weights, drawn: Drawn, tmp_path: Path
) -> None:
    pictures, labels = drawn
    head, _ = fit_head(small_trunk.embed(pictures), np.eye(2)[labels], categories=["across", "down"])
    tail = build_tail(SMALL, small_weights, head)
    write_version(
        tmp_path / "1", tail=tail, tail_shape=cut_trunk.shape, categories=["across", "down"],
        trunk_key=cut_trunk.key, backbone=SMALL.key, size=128, temperature=1.2, recipe="fine_tuning", metrics={},
    )  # fmt: skip
    classifier = load_version(tmp_path / "1")
    model = keras_model_of(classifier, SMALL, small_weights)
    served = classifier.probabilities_from_features(cut_trunk.embed(pictures[:6]))
    np.testing.assert_allclose(model.predict(pictures[:6], verbose=0), served, atol=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("tf2onnx") is None, reason="ONNX needs tf2onnx")
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ONNX is written by TensorFlow")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_what_convnext_and_efficientnet_are_made_of_can_leave_as_onnx(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    inside = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3)(inside)
    x = keras.layers.Normalization(mean=[1.0, 2.0, 3.0] * 2, variance=[4.0, 5.0, 6.0] * 2)(x)
    inner = keras.Model(inside, keras.layers.Conv2D(6, 3, groups=6, activation="gelu")(x))
    pixels = keras.Input((8, 8, 3))
    model = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(inner(pixels)))
    pictures = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    expected = model.predict(pictures, verbose=0)
    _name, write, run, _needs, _example = FORMATS["onnx"]
    write(model, tmp_path / "model.onnx")
    np.testing.assert_allclose(run(tmp_path / "model.onnx", pictures), expected, atol=1e-5)


def test_an_unknown_format_and_a_missing_package_are_said(
    version: Path, small_weights: Weights, drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LearningError, match="Expected one of"):
        export(version, "pickle", tmp_path / "out", backbone=SMALL, weights=small_weights, pictures=drawn[0][:1])
    name, write, run, _, example = FORMATS["onnx"]
    monkeypatch.setitem(exporting.FORMATS, "onnx", (name, write, run, ("no_such_package",), example))
    with pytest.raises(LearningError, match="pip install no_such_package"):
        export(version, "onnx", tmp_path / "out", backbone=SMALL, weights=small_weights, pictures=drawn[0][:1])
    assert not (tmp_path / "out").exists()
