"""One training loop for every Keras model here: fine-tuning, from scratch, and the reference heads.

Backend-agnostic (``keras.ops`` and ``Model.fit`` only, so TensorFlow, JAX and PyTorch run it). Adds to ``fit`` what
the platform promises: the same seed gives the same batches, progress and cancel within a batch, a loss that is no
number ends the run, the best epoch is kept, and after ``kill -9`` the next worker goes on from the last epoch.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labeling.text.words import gettext as _
from training.learning.errors import Cancelled, TrainingDiverged
from training.learning.files import read_arrays, write_arrays
from training.learning.heads.dense import log_softmax
from training.learning.networks.heavy import keras  # imported only by those that train with Keras
from training.learning.tuning.devices import ways

Rows = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[dict[str, Any]], bool | None]
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
FORMAT = 3  # of a checkpoint; nobody goes on from another one


@dataclass(frozen=True)
class LoopOptions:
    """epochs, patience in epochs without a better validation loss, rate of Adam, batch, label smoothing.

    ``schedule``: the rate falls along a half cosine over the epochs, or stays ``constant`` (for comparison).
    ``stop``: exactly so many of the epochs, of which the last one is kept whatever a validation part says.
    """

    epochs: int = 15
    patience: int = 5
    learning_rate: float = 1e-4
    batch_size: int = 32
    label_smoothing: float = 0.0
    decay: float = 1e-4
    schedule: str = "cosine"
    stop: int | None = None

    def rate(self, epoch: int) -> float:
        """The rate of an epoch, counted from 0."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))


@dataclass
class Part:
    """Inputs by index (so that they need not fit into memory), soft labels ``[n, classes]``, weights ``[n]``.

    ``epoch_rows(epoch)`` may give another row for each picture in each epoch (augmented views); None = the same.
    """

    rows: Rows
    y: np.ndarray
    weights: np.ndarray | None = None
    epoch_rows: Callable[[int, np.ndarray], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.y)


class _Batches(keras.utils.PyDataset):
    """One epoch's batches, in an order that the seed and the epoch fix."""

    def __init__(self, part: Part, batch: int, order: np.ndarray, epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.part, self.batch, self.order, self.epoch = part, batch, order, epoch

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = self.order[index * self.batch : (index + 1) * self.batch]
        x = self.part.epoch_rows(self.epoch, at) if self.part.epoch_rows else self.part.rows(at)
        weights = np.ones(len(at), np.float32) if self.part.weights is None else self.part.weights[at]
        y = self.part.y[at].astype(np.float32)
        return filled(x), filled(y), filled(weights.astype(np.float32), 0.0)


def filled(rows: np.ndarray, value: float | None = None) -> np.ndarray:
    """Rows ``[n, ...]`` up to a multiple of the devices that share them: the last one repeated, or ``value``."""
    missing = -len(rows) % ways()
    if not missing:
        return rows
    last = rows[-1:] if value is None else np.full_like(rows[-1:], value)
    return np.concatenate([rows, np.repeat(last, missing, axis=0)])


class _Watch(keras.callbacks.Callback):
    def __init__(self, progress: Progress | None, epoch: int, options: LoopOptions, batches: int, count: int) -> None:
        super().__init__()
        self.progress, self.epoch, self.options, self.batches, self.count = progress, epoch, options, batches, count
        self.started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise TrainingDiverged(
                _("The loss became %(loss)s in epoch %(epoch)s, batch %(batch)s. Lower the rate.")
                % {"loss": loss, "epoch": self.epoch + 1, "batch": batch + 1}
            )
        seen = min((batch + 1) * self.options.batch_size, self.count)
        report = {
            "stage": "fit", "epoch": self.epoch + 1, "epochs": self.options.epochs, "batch": batch + 1,
            "batches": self.batches, "loss": loss,
            "images_per_second": seen / max(time.monotonic() - self.started, 1e-6),
        }  # fmt: skip
        if self.progress is not None and self.progress(report) is False:
            raise Cancelled(f"Cancelled in epoch {self.epoch + 1}, batch {batch + 1}.")


def fit_epochs(
    model: Any, train: Part, validation: Part, options: LoopOptions, *, seed: int = 0,
    progress: Progress | None = None, checkpoint: Path | None = None, jit: bool | str = "auto",
) -> dict[str, Any]:  # fmt: skip
    """Train ``model`` (inputs -> logits) in place; it ends with the weights of its best epoch, 0 = as it came.

    The best is that of the least validation loss. As it came it stays where no epoch's loss is lower by more than the
    standard error of the difference, paired by picture: of many epochs one is always a little lower by chance.

    Args:
        progress: After every batch (stage, epoch, batch, loss, images_per_second) and every epoch (the four curves so
            far), once also of the epochs of an attempt before.
        checkpoint: File to save to after each epoch and to go on from where it fits; deleted by the caller.
        jit: Keras' ``jit_compile``.

    Returns:
        The curves and ``best_epoch``.

    Raises:
        TrainingDiverged, Cancelled.
    """
    model.compile(
        optimizer=keras.optimizers.AdamW(float(options.learning_rate), weight_decay=options.decay, clipnorm=1.0),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=options.label_smoothing),
        weighted_metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=jit,
    )
    model.optimizer.build(model.trainable_variables)
    state = _State(model, _fingerprint(model, train, options, seed), checkpoint)
    epoch = state.resume()
    if epoch:
        _tell(progress, epoch, options, state)
    if not state.best:
        state.begin(_losses_of(model, validation, options)[0])
    last = options.epochs if options.stop is None else options.stop
    while epoch < last and (options.stop is not None or epoch - state.best_epoch < options.patience):
        model.optimizer.learning_rate = options.rate(epoch)
        order = np.random.default_rng((seed, epoch)).permutation(len(train))
        batches = _Batches(train, options.batch_size, order, epoch)
        watch = _Watch(progress, epoch, options, len(batches), len(train))
        curve = model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[watch]).history
        epoch += 1
        losses, val_accuracy = _losses_of(model, validation, options)
        val_loss = float(losses.mean()) if len(losses) else curve["loss"][0]
        values = (curve["loss"][0], curve["accuracy"][0], val_loss, val_accuracy)
        for name, value in zip(CURVES, values, strict=True):
            state.history[name].append(round(float(value), 6))
        if options.stop is not None or (val_loss < state.best_loss and _is_beyond_chance(state.first - losses)):
            state.keep(epoch, val_loss)
        state.save(epoch)
        _tell(progress, epoch, options, state)
    model.set_weights(state.best)
    return {**state.history, "best_epoch": state.best_epoch}


def _tell(progress: Progress | None, epoch: int, options: LoopOptions, state: _State) -> None:
    report = {"stage": "epoch", "epoch": epoch, "epochs": options.epochs, "curves": state.history}
    if progress is not None and progress(report) is False:
        raise Cancelled(f"Cancelled after epoch {epoch}.")


def predict_logits(model: Any, part: Part, batch: int = 64) -> np.ndarray:
    """``[n, classes]``, in order."""
    answers = [
        np.asarray(keras.ops.convert_to_numpy(model.predict_on_batch(filled(part.rows(at)))))[: len(at)]
        for at in np.array_split(np.arange(len(part)), max(1, math.ceil(len(part) / batch)))
        if len(at)
    ]
    return np.concatenate(answers) if answers else np.empty((0, part.y.shape[1]), np.float32)


def _losses_of(model: Any, part: Part, options: LoopOptions) -> tuple[np.ndarray, float]:
    """The loss of each picture, and the share that is right; none and 0 of an empty part."""
    if not len(part):
        return np.empty(0), 0.0
    logits = predict_logits(model, part, options.batch_size).astype(np.float64)
    losses: np.ndarray = -(part.y * log_softmax(logits)).sum(axis=1)
    return losses, float((logits.argmax(axis=1) == part.y.argmax(axis=1)).mean())


def _is_beyond_chance(saved: np.ndarray) -> bool:
    """Whether the mean is above zero by more than its standard error."""
    error = saved.std(ddof=1) / math.sqrt(len(saved)) if len(saved) > 1 else 0.0
    return bool(saved.mean() > error)


def _fingerprint(model: Any, train: Part, options: LoopOptions, seed: int) -> str:
    shapes = [list(weight.shape) for weight in model.weights]  # a later release may cut the network elsewhere
    facts = json.dumps([FORMAT, asdict(options), seed, list(train.y.shape), shapes]).encode()
    return hashlib.sha256(facts + np.ascontiguousarray(train.y).tobytes()).hexdigest()


class _State:
    """Where a fit is: the curves, the best weights, and how to write and read all of it without pickles."""

    def __init__(self, model: Any, fingerprint: str, path: Path | None) -> None:
        self.model, self.fingerprint, self.path = model, fingerprint, path
        self.history: dict[str, list[float]] = {name: [] for name in CURVES}
        self.first = np.empty(0)  # the loss of each validation picture before the first epoch
        self.best: list[np.ndarray] = []
        self.best_epoch, self.best_loss = 0, math.inf

    def begin(self, losses: np.ndarray) -> None:
        self.first = losses
        self.keep(0, float(losses.mean()) if len(losses) else math.inf)

    def keep(self, epoch: int, loss: float) -> None:
        self.best = [np.array(value) for value in self.model.get_weights()]
        self.best_epoch, self.best_loss = epoch, loss

    def save(self, epoch: int) -> None:
        if self.path is None:
            return
        facts = {"fingerprint": self.fingerprint, "epoch": epoch, "history": self.history,
                 "best_epoch": self.best_epoch, "best_loss": self.best_loss}  # fmt: skip
        arrays: dict[str, Any] = {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8), "first": self.first}
        arrays |= {f"best{index}": value for index, value in enumerate(self.best)}
        arrays |= {name: keras.ops.convert_to_numpy(variable) for name, variable in self._variables()}
        write_arrays(self.path, arrays)

    def _variables(self) -> Iterator[tuple[str, Any]]:
        """All that training changes: weights, what random layers draw next (dropout), and the optimizer's memory."""
        for name, holder in (("now", self.model), ("optimizer", self.model.optimizer)):
            for index, variable in enumerate(holder.variables):
                yield f"{name}{index}", variable

    def resume(self) -> int:
        """The epoch to go on with: 0, or after the last saved one where the file is whole and of this very fit."""
        if self.path is None or not self.path.exists():
            return 0
        try:
            arrays = read_arrays(self.path)
            facts = json.loads(arrays["facts"].tobytes())
        except Exception:  # noqa: BLE001 - a damaged checkpoint means starting again, whatever zip or numpy calls it
            return 0
        if facts["fingerprint"] != self.fingerprint:
            return 0
        for name, variable in self._variables():
            variable.assign(arrays[name])
        self.history, self.first = facts["history"], arrays["first"]
        self.best = [arrays[f"best{index}"] for index in range(len(self.model.weights))]
        self.best_epoch, self.best_loss = facts["best_epoch"], facts["best_loss"]
        return int(facts["epoch"])
