"""The frozen network as an artifact: uint8 pictures in, features out, on OpenVINO or LiteRT, with no Keras at hand.

``export_trunk`` goes Keras -> TensorFlow's graph -> OpenVINO with the preprocessing inside it, asserts one output, and
compares with Keras before the folder gets its name. f32 is pinned: OpenVINO runs bf16 silently on processors that have
it. ``Trunk`` runs one picture per request on a pool of requests, one core each: measured as quick as any batch, and
the features of a picture then do not depend on the company it came in, so a cached one equals a served one to the bit.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from labeling.resilience.turns import cores
from labeling.text.words import gettext as _
from training.learning.errors import ArtifactDamaged, LearningError, NotFaithful
from training.learning.files import HEARD_EVERY, folder_atomic, locked, sha256_of
from training.learning.networks.backbones import Backbone
from training.learning.networks.imported import from_json
from training.learning.networks.keys import FORMAT, trunk_key
from training.learning.networks.light import openvino
from training.learning.networks.litert import Interpreted, network_of
from training.learning.networks.weights import Weights

TOLERANCE = 1e-3  # of the largest feature; measured: 1e-5
EXPORT_SECONDS = 900
PRECISIONS = ("f32", "bf16", "f16")
# What a process writes where a disk, a quota or a file's bound is full; the last one is all that OpenVINO says.
FULL = ("No space left on device", "Disk quota exceeded", "File too large", "iostream error")

logger = logging.getLogger(__name__)


def ensure_trunk(
    backbone: Backbone,
    weights: Weights,
    root: Path,
    cut: str | None = None,
    *,
    waiting: Callable[[], None] | None = None,
) -> Path:
    """The folder of the trunk under ``root``, exported first where it is not there, or damaged.

    The export runs in a process of its own, so that whoever embeds pictures needs neither the memory nor the seconds
    that TensorFlow takes. One process exports, the others wait for it.

    Args:
        waiting: Called now and then meanwhile: a large network takes minutes. It may raise to stop.
    """
    if cut and backbone.root is not None and weights.root is not None:
        return ensure_trunk(backbone.root, weights.root, root, cut, waiting=waiting)
    folder = root / trunk_key(backbone, weights.sha256, cut)
    if is_whole(folder):
        return folder
    with locked(root / f".{folder.name}.lock", waiting):
        if is_whole(folder):
            return folder
        arguments = [asdict(backbone), asdict(weights), str(folder), cut]
        with_tensorflow("export", arguments, backbone.title, folder, waiting)
    return folder


def with_tensorflow(
    verb: str, arguments: list[Any], title: str, folder: Path, waiting: Callable[[], None] | None = None,
    *, module: str = "training.learning.networks.trunk",
) -> None:  # fmt: skip
    """Let a process of its own, with Keras on TensorFlow whatever it computes with here, do one of ``module``'s VERBS.

    Raises:
        LearningError: It failed: ``disk_full`` or ``export_failed``.
    """
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    here = str(Path(__file__).resolve().parents[3])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (here, environment.get("PYTHONPATH"))))
    command = [sys.executable, "-m", module, verb, json.dumps(arguments, default=str)]
    code, told = _heard(command, environment, waiting or (lambda: None))
    if code:
        raise _failed(title, folder, code, told)


def _failed(title: str, folder: Path, code: int, told: str) -> LearningError:
    """Why the process of an export has ended, in a line; all that it wrote goes to the log."""
    logger.error("the export of %s ended with %s:\n%s", title, code, told)
    lines = told.strip().splitlines()
    error = signal.Signals(-code).name if code < 0 else lines[-1][:500] if lines else f"exit status {code}"
    if any(sign in told for sign in FULL):
        reason = _("%(title)s could not be exported into %(folder)s: %(error)s. Free some disk, then try again.")
        return LearningError(reason % {"title": title, "folder": folder.parent, "error": error}, "disk_full")
    reason = _("The export of %(title)s failed: %(error)s")
    return LearningError(reason % {"title": title, "error": error}, "export_failed")


def _heard(command: list[str], environment: dict[str, str], waiting: Callable[[], None]) -> tuple[int, str]:
    """Run the command; its exit status and what it wrote to stderr. It ends where ``waiting`` raises, or in time."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ends = time.monotonic() + EXPORT_SECONDS
    with process:
        try:
            while True:
                try:
                    told = process.communicate(timeout=HEARD_EVERY)[1]
                    return process.returncode, told
                except subprocess.TimeoutExpired:
                    if time.monotonic() > ends:
                        process.kill()
                        return 1, f"{process.communicate()[1]}\nIt took longer than {EXPORT_SECONDS} seconds."
                    waiting()
        except BaseException:
            process.kill()
            raise


def is_whole(folder: Path) -> bool:
    """Whether the folder holds a trunk as it was exported."""
    try:
        _checked_facts(folder)
    except ArtifactDamaged:
        return False
    return True


def _checked_facts(folder: Path) -> dict[str, Any]:
    """What is known of the trunk, whose files are those that were exported; hashes are remembered while these do not
    change.

    Raises:
        ArtifactDamaged: A file is missing or is another one.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / "trunk.json").read_text())
        for name, sha256 in facts["sha256"].items():
            if sha256_of(folder / name) != sha256:
                raise ArtifactDamaged(
                    _("%(path)s is not the file that was exported. The next run makes it again.")
                    % {"path": folder / name}
                )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArtifactDamaged(
            _("%(folder)s holds no whole trunk (%(error)s). The next run makes it again.")
            % {"folder": folder, "error": error}
        ) from error
    return facts


def export_trunk(backbone: Backbone, weights: Weights, folder: Path, cut: str | None = None) -> Path:
    """Write ``trunk.xml``, ``trunk.bin`` and ``trunk.json`` into ``folder``, all at once, checked against Keras.

    Raises:
        NotFaithful: more than one output, or features that differ from Keras' by more than TOLERANCE.
    """
    from training.learning.networks.network import trunk_model  # Keras: only the export reaches it

    model = trunk_model(backbone, weights, cut)
    with folder_atomic(folder) as new:
        convert(model, new / "trunk.xml")
        shape = [int(side) for side in model.output_shape[1:]]
        facts = {
            "format": FORMAT, "key": trunk_key(backbone, weights.sha256, cut), "backbone": backbone.key,
            "weights_sha256": weights.sha256, "weights_state": weights.state, "size": backbone.size,
            "preprocessing": backbone.preprocessing, "cut": cut, "shape": shape, "dim": int(np.prod(shape)),
            "sha256": {name: sha256_of(new / name) for name in ("trunk.xml", "trunk.bin")},
        }  # fmt: skip
        (new / "trunk.json").write_text(json.dumps(facts, indent=1))
        pictures = sample_pictures(6, backbone.size)
        expected = np.asarray(model.predict(pictures, verbose=0)).reshape(len(pictures), -1)
        facts["difference"] = faithful(Trunk(new, threads=1).embed(pictures), expected)
        (new / "trunk.json").write_text(json.dumps(facts, indent=1))
    return folder


def convert(model: Any, target: Path) -> None:
    """A Keras model -> OpenVINO IR at ``target`` in f32, by its graph in TensorFlow, traced once (a SavedModel between
    the two came to the same bits in up to four times the CPU time).

    With another backend than TensorFlow the model goes through a file of Keras' own to a process that has it. The file
    lies beside ``target``, and goes with the folder that a kill leaves half written.

    Raises:
        NotFaithful: The network has more than one output.
    """
    from training.learning.networks.heavy import keras  # as in export_trunk

    if keras.backend.backend() != "tensorflow":
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            model.save(Path(scratch) / "model.keras")
            with_tensorflow("convert", [f"{scratch}/model.keras", str(target)], model.name, target)
        return
    import tensorflow  # the backend itself

    traced = tensorflow.function(lambda rows: model(rows, training=False), autograph=False)
    given = tensorflow.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
    graph = traced.get_concrete_function(given)
    # By name: it would take whatever else nobody reads for outputs, too (EfficientNet's graph has 49 such ends).
    network = openvino.convert_model(graph, output=[tensor.name for tensor in graph.outputs])
    if len(network.outputs) != 1:
        raise NotFaithful(
            _("Expected one output after the conversion; got %(count)s.") % {"count": len(network.outputs)}
        )
    openvino.save_model(network, str(target), compress_to_fp16=False)


def faithful(actual: np.ndarray, expected: np.ndarray, most: float = TOLERANCE) -> float:
    """Largest difference in units of the largest expected value; raises NotFaithful beyond ``most``."""
    difference = float(np.abs(actual - expected).max() / max(float(np.abs(expected).max()), 1e-12))
    if not difference <= most:
        raise NotFaithful(
            _("The exported network differs from Keras by %(difference).2e; at most %(most)s is allowed.")
            % {"difference": difference, "most": most}
        )
    return difference


def sample_pictures(count: int, size: int) -> np.ndarray:
    """Smooth coloured noise, uint8 ``[count, size, size, 3]``, always the same; nearer to photographs than white."""
    coarse = np.random.default_rng(0).uniform(0, 255, (count, 9, 9, 3))
    at = np.linspace(0, 8, size)
    low, share = np.minimum(at.astype(int), 7), (at - np.minimum(at.astype(int), 7))
    rows = coarse[:, low] * (1 - share)[None, :, None, None] + coarse[:, low + 1] * share[None, :, None, None]
    both = rows[:, :, low] * (1 - share)[None, None, :, None] + rows[:, :, low + 1] * share[None, None, :, None]
    return np.rint(both).astype(np.uint8)


class Compiled:
    """An OpenVINO network behind a pool of infer requests; safe to call from many threads.

    Args:
        path: The .xml file.
        shape: Of one input, without the batch axis.
        precision: f32 (exact), or bf16/f16 where the caller measured that it costs no accuracy.
        threads: Cores to use; all that this process may where None.

    Raises:
        LearningError: There is no such precision.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], *, precision: str = "f32", threads: int | None = None
    ) -> None:
        if precision not in PRECISIONS:
            raise LearningError(f"Expected a precision of {', '.join(PRECISIONS)}; got {precision!r}.")
        core = openvino.Core()
        network = core.read_model(str(path))
        network.reshape([1, *shape])
        threads = threads or cores()
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": str(threads),
            "INFERENCE_NUM_THREADS": str(threads),
            "ENABLE_CPU_PINNING": "NO",
        }
        self._network = core.compile_model(network, "CPU", settings)
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        for _thread in range(threads):
            self._idle.put(self._network.create_infer_request())

    def one(self, row: np.ndarray) -> np.ndarray:
        """One row ``[1, ...]``, as soon as a request is idle."""
        request = self._idle.get()
        try:
            # It shares no memory that nobody may write to, as Pillow's is, and keeps none from being freed.
            given = np.require(row, requirements="W")
            request.set_input_tensor(openvino.Tensor(given, shared_memory=True))
            request.infer()
            return np.array(request.get_output_tensor(0).data)
        finally:
            self._idle.put(request)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Every row through as many requests as are idle; waits for no second one while its own are in flight."""
        if len(rows) == 1:
            return self.one(np.ascontiguousarray(rows))
        answers: list[np.ndarray | None] = [None] * len(rows)
        flying: list[tuple[int, Any]] = []
        try:
            for index in range(len(rows)):
                request = self._borrow(flying, answers)
                request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(rows[index : index + 1])))
                request.start_async()
                flying.append((index, request))
        finally:
            while flying:
                self._land(flying, answers)
        return np.concatenate([answer for answer in answers if answer is not None])

    def _borrow(self, flying: list[tuple[int, Any]], answers: list[np.ndarray | None]) -> Any:
        while flying:
            try:
                return self._idle.get_nowait()
            except queue.Empty:
                self._land(flying, answers)
        return self._idle.get()

    def _land(self, flying: list[tuple[int, Any]], answers: list[np.ndarray | None]) -> None:
        index, request = flying.pop(0)
        try:
            request.wait()
            answers[index] = np.array(request.get_output_tensor(0).data)
        finally:
            self._idle.put(request)


class Trunk:
    """A loaded trunk. ``key``, ``dim``, ``size``, ``shape`` are facts of the folder; ``embed`` is the work.

    Args:
        portable: On LiteRT, in f32, by the file that ``training.learning.portable`` has written.

    Raises:
        ArtifactDamaged: A file of the folder is missing, or not the one that was exported.
    """

    def __init__(
        self, folder: Path, *, precision: str = "f32", threads: int | None = None, portable: bool = False
    ) -> None:
        facts = _checked_facts(folder)
        self.key: str = facts["key"]
        self.backbone: str = facts["backbone"]
        self.dim: int = facts["dim"]
        self.size: int = facts["size"]
        self.shape: tuple[int, ...] = tuple(facts["shape"])
        self.cut: str | None = facts["cut"]
        self.platform = "litert" if portable else "openvino"
        self._network: Compiled | Interpreted
        if portable:
            self._network = Interpreted(network_of(folder), threads=threads)
        else:
            shape = (self.size, self.size, 3)
            self._network = Compiled(folder / "trunk.xml", shape, precision=precision, threads=threads)

    def embed(self, images: np.ndarray) -> np.ndarray:
        """uint8 ``[n, size, size, 3]`` -> float32 ``[n, dim]``; thread-safe; each row independent of the others.

        Raises:
            LearningError: another shape or dtype.
        """
        if images.dtype != np.uint8 or images.shape[1:] != (self.size, self.size, 3):
            raise LearningError(
                f"Expected uint8 [n, {self.size}, {self.size}, 3]; got {images.dtype} {list(images.shape)}.",
                "bad_input",
            )
        if not len(images):
            return np.empty((0, self.dim), np.float32)
        return self._network.rows(images).reshape(len(images), self.dim)


def _export(backbone: dict[str, Any], weights: dict[str, Any], folder: str, cut: str | None) -> None:
    export_trunk(from_json(backbone), weights_from_json(weights), Path(folder), cut)


def weights_from_json(facts: dict[str, Any]) -> Weights:
    path, root = facts["path"], facts["root"]
    return Weights(
        Path(path) if path else None, facts["state"], facts["sha256"], Path(facts["expected"]),
        weights_from_json(root) if root else None,
    )  # fmt: skip


def _convert(file: str, target: str) -> None:
    from training.learning.networks import historic  # noqa: F401 - Keras must know its layer to read it
    from training.learning.networks.heavy import keras  # as in export_trunk

    convert(keras.saving.load_model(file, compile=False), Path(target))


VERBS: dict[str, Callable[..., None]] = {"export": _export, "convert": _convert}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*json.loads(sys.argv[2]))
