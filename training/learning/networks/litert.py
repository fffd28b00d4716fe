"""LiteRT, the portable runtime: a network that is there for OpenVINO already, as one more file beside it.

The file lies in the folder ``litert`` below that of the network (a trunk, or a fine-tuned version), with its hash and
how far it answered from the other, or with why there is none. It goes where that folder goes, and is f32 always.
"""

from __future__ import annotations

import json
import os
import queue
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labeling.resilience.turns import cores
from training.learning.errors import ArtifactDamaged
from training.learning.files import sha256_of

FOLDER = "litert"
NETWORK = "network.tflite"
FACTS = "facts.json"
Stamp = tuple[tuple[int, int] | None, ...]


class Interpreted:
    """A LiteRT network behind a pool of interpreters of one thread each; safe to call from many threads.

    An interpreter keeps weights of its own, in its own order, so each but the first is made when all others are busy.

    Args:
        path: The .tflite file; it may go afterwards.
        threads: Cores to use; all that this process may where None.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        threads = threads or cores()
        self._content = path.read_bytes()
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()  # None: one that is not made yet
        for _thread in range(threads - 1):
            self._idle.put(None)
        self._idle.put(self._interpreter())
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="litert")  # begun when there are many rows

    def _interpreter(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter  # only where it is asked for

        interpreter = Interpreter(model_content=self._content, num_threads=1)
        interpreter.allocate_tensors()
        return interpreter

    def one(self, row: np.ndarray) -> np.ndarray:
        """One row ``[1, ...]``, as soon as an interpreter is idle."""
        interpreter = self._idle.get()
        try:
            if interpreter is None:
                interpreter = self._interpreter()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], row)
            interpreter.invoke()
            answer: np.ndarray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])  # a copy
            return answer
        finally:
            self._idle.put(interpreter)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Every row through as many interpreters as are idle."""
        if len(rows) == 1:
            return self.one(rows)
        return np.concatenate(list(self._workers.map(self.one, np.split(rows, len(rows)))))


def network_of(folder: Path) -> Path:
    """The file for the network in the folder, which is the one that was written.

    Raises:
        ArtifactDamaged: There is none, or it is another one.
    """
    path = folder / FOLDER / NETWORK
    try:
        facts = json.loads((folder / FOLDER / FACTS).read_text())
        if sha256_of(path) == facts["sha256"]:
            return path
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArtifactDamaged(f"{folder} holds no network for LiteRT ({error}).") from error
    raise ArtifactDamaged(f"{path} is not the file that was written.")


def refusal_of(folder: Path) -> str:
    """Why the network in the folder cannot be had for LiteRT; empty where nobody has found that."""
    try:
        return str(json.loads((folder / FOLDER / FACTS).read_text()).get("refused", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def is_there(folder: Path) -> bool:
    """Whether the network in the folder can be opened on LiteRT; asked at each request, so what is read is kept."""
    stamp = stamp_of(folder)
    return None not in stamp and _is_there(str(folder), stamp)


def stamp_of(folder: Path) -> Stamp:
    """What changes when a file for LiteRT does; the place of one that is missing is None."""
    return tuple(_changed(f"{folder}/{FOLDER}/{name}") for name in (NETWORK, FACTS))


def _changed(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - at each request; a Path takes three times as long
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1_000)
def _is_there(folder: str, _stamp: Stamp) -> bool:
    try:
        network_of(Path(folder))
    except ArtifactDamaged:
        return False
    return True


def convert(model: Any, target: Path) -> None:
    """A Keras model on TensorFlow -> a .tflite file for one row at a time, in f32, with LiteRT's own operations alone.

    By its graph, traced once: by a SavedModel, as Keras does it, came to the same in three times the CPU time. The copy
    that the converter makes of the network lies beside ``target``: /tmp may be memory, and a kill would leave it there.
    """
    import tensorflow  # the process that writes is the only one that has it

    traced = tensorflow.function(lambda rows: model(rows, training=False), autograph=False)
    given = tensorflow.TensorSpec([1, *model.inputs[0].shape[1:]], model.inputs[0].dtype)
    holder = tensorflow.Module()  # Keras' own variables are none that TensorFlow would find in the model
    holder.variables_of_keras = [variable.value for variable in model.variables]
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function(given)], holder)
    elsewhere = tempfile.tempdir
    with tempfile.TemporaryDirectory(dir=target.parent) as tempfile.tempdir:  # this process does nothing else
        try:
            target.write_bytes(converter.convert())
        finally:
            tempfile.tempdir = elsewhere
