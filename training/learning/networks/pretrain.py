"""Making our own backbone: distillation of an ImageNet network into ``small``, on whatever pictures are at hand.

Blockwise first (Wang et al. 2018, "Progressive blockwise knowledge distillation"; Li et al. 2020, arXiv:1911.13053):
each stage learns alone to turn the teacher's maps at one depth into those at the next, so a few thousand pictures,
which are a million places, teach it much, every stage has good inputs from the first step on, and the costly early ones
need few steps. Then all together, end to end, on the teacher's maps, pooled features and answers (Hinton et al. 2015)
and, supervised, on what labels the pictures have. Teacher and student always see the very same crop, some mixed with
others (Beyer et al. 2022, arXiv:2106.05237). The stages are built unlike the teacher's, and nothing of the teacher is
in the result but what was learned from its answers.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labeling.files.imaging import decode_rgb
from training.learning.errors import LearningError, TrainingDiverged
from training.learning.files import write_arrays, write_atomic
from training.learning.networks.light import openvino
from training.learning.networks.network import settle
from training.learning.networks.small import SIZE, STAGES, build_small, fold

Report = Callable[[dict[str, Any]], bool | None]
# Where the teacher (MobileNetV2) is looked into: the same strides and widths as small.STAGES.
HINTS = ("block_2_add", "block_5_add", "block_12_add", "block_16_project_BN")
WIDTHS = (24, 32, 96, 320)
STORED = 192  # side of the pictures in memory
SOFTNESS = 2.0  # temperature of the teacher's answers
WEIGHTS = {"maps": 1.0, "pooled": 2.0, "answers": 0.5, "labels": 0.2}


@dataclass(frozen=True)
class PretrainOptions:
    """How long, how large; see ``pretrain``."""

    seconds: float = 900.0  # of CPU of this process
    # Shares of them: each of the four stages alone, then all together.
    shares: tuple[float, ...] = (0.10, 0.10, 0.25, 0.25, 0.30)
    crops: int = 8000  # seen by the teacher once, then kept
    size: int = SIZE
    batch: int = 32
    rate: float = 3e-3
    last_rate: float = 1e-3  # of the last phase, end to end
    decay: float = 1e-4
    seed: int = 0
    log_every: int = 50


@dataclass
class Pictures:
    """uint8 ``[n, STORED, STORED, 3]`` with class numbers (-1 where a set has no classes)."""

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    detail: np.ndarray  # [n], 0..1: how much of STORED x STORED the file really had
    sets: dict[str, int] = field(default_factory=dict)


def read_pictures(root: Path, held_out: Sequence[str]) -> Pictures:
    """Every picture under ``root/<set>/``; its folder is its class where a set has several of them.

    Args:
        root: One folder per set, with a folder of pictures for each class.
        held_out: Names of sets to leave out wholly.
    """
    images, labels, detail, sets = [], [], [], {}
    classes: list[str] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and path.name not in held_out):
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
        names = sorted({path.parent.name for path in files})
        truth = _truth_by_index(folder)
        own = names if len(names) > 1 else sorted(set(truth.values()))
        for path in files:
            picture = decode_rgb(path.read_bytes(), shortest=STORED)
            detail.append(min(*picture.size, STORED) / STORED)
            images.append(np.asarray(picture.resize((STORED, STORED), Image.Resampling.BICUBIC), np.uint8))
            name = path.parent.name if len(names) > 1 else truth.get(path.name)
            labels.append(len(classes) + own.index(name) if name in own else -1)
        classes += [f"{folder.name}/{name}" for name in own]
        sets[folder.name] = len(files)
    if not images:
        raise LearningError(f"Expected folders of pictures under {root}; found none.", "no_pictures")
    return Pictures(np.stack(images), np.array(labels), classes, np.array(detail), sets)


def _truth_by_index(folder: Path) -> dict[str, str]:
    """File name -> class from an ``index.csv`` with the columns file and true_label, where a set has one."""
    index = folder / "index.csv"
    if not index.exists():
        return {}
    header, *rows = (line.split(",") for line in index.read_text().splitlines() if line)
    file, label = header.index("file"), header.index("true_label")
    return {row[file]: row[label] for row in rows}


def crop(picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random part of the picture (a fifth to all of its area), perhaps mirrored, recoloured, in float32 0..255."""
    area, ratio = rng.uniform(0.2, 1.0), math.exp(rng.uniform(-0.3, 0.3))
    width = min(1.0, math.sqrt(area * ratio)) * STORED
    height = min(1.0, math.sqrt(area / ratio)) * STORED
    left, top = rng.uniform(0, STORED - width), rng.uniform(0, STORED - height)
    box = (left, top, left + width, top + height)
    image = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    x = np.asarray(image, np.float32)
    if rng.random() < 0.5:
        x = x[:, ::-1]
    if rng.random() < 0.8:
        gain = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)
        x = (x - 128) * gain.astype(np.float32) + np.float32(128 + rng.uniform(-25, 25))
    if rng.random() < 0.1:
        x = np.repeat(x.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.clip(x, 0, 255)


def draw_batch(data: Pictures, count: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``count`` crops in -1..1 and their labels ``[count, classes]``: two thirds alone, a third mixed with another.

    Small pictures, which have less to show, are drawn less often.
    """
    at = rng.choice(len(data.images), count, p=data.detail / data.detail.sum())
    x = np.stack([crop(data.images[i], size, rng) for i in at])
    y = np.zeros((count, max(len(data.classes), 1)), np.float32)
    known = data.labels[at] >= 0
    y[np.flatnonzero(known), data.labels[at][known]] = 1
    share = np.where(rng.random(count) < 0.67, 1.0, rng.uniform(0.5, 1.0, count)).astype(np.float32)
    partner = rng.permutation(count)
    mixed = x * share[:, None, None, None] + x[partner] * (1 - share)[:, None, None, None]
    return mixed / 127.5 - 1, y * share[:, None] + y[partner] * (1 - share)[:, None]


class Teacher:
    """MobileNetV2 with its classifier, on OpenVINO: pictures -> maps at HINTS, pooled features, log-probabilities."""

    def __init__(self, weights: Path, threads: int) -> None:
        from training.learning.networks.heavy import keras  # the teacher is a Keras application

        settle()
        whole = keras.applications.MobileNetV2(weights=None, include_top=True)
        whole.load_weights(str(weights))
        base = keras.applications.MobileNetV2(input_shape=(None, None, 3), weights=None, include_top=False)
        base.set_weights(whole.get_weights()[:-2])  # the last two are the classifier's
        maps = [base.get_layer(name).output for name in HINTS]
        pooled = keras.layers.GlobalAveragePooling2D()(base.output)
        answers = whole.get_layer("predictions")(pooled)
        with tempfile.TemporaryDirectory() as scratch:
            keras.Model(base.inputs, [*maps, pooled, answers]).export(scratch, verbose=False)
            network = openvino.convert_model(scratch)
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads)}
        self._network = openvino.Core().compile_model(network, "CPU", settings)
        ranks = [len(output.partial_shape) for output in self._network.outputs]
        widths = [output.partial_shape[-1].get_length() for output in self._network.outputs]
        wanted = [*((4, width) for width in WIDTHS), (2, 1280), (2, 1000)]
        self._order = [list(zip(ranks, widths, strict=True)).index(facts) for facts in wanted]

    def __call__(self, x: np.ndarray) -> list[np.ndarray]:
        answers = self._network([x])
        return [np.array(answers[index]) for index in self._order]


@dataclass
class Lesson:
    """What the teacher said to the crops, once: float16, standardised per channel (an error of 1 = nothing learned)."""

    pixels: np.ndarray  # [n, size, size, 3] in -1..1
    maps: list[np.ndarray]  # at HINTS
    pooled: np.ndarray  # [n, 1280]
    answers: np.ndarray  # [n, 1000], softened
    labels: np.ndarray  # [n, classes]

    def inputs(self, stage: int) -> np.ndarray:
        return self.pixels if stage == 0 else self.maps[stage - 1]


def take_lesson(
    data: Pictures, teacher: Teacher, options: PretrainOptions, rng: np.random.Generator, report: Report
) -> Lesson:
    """Show ``options.crops`` crops to the teacher and keep all that it says."""
    heard: list[list[np.ndarray]] = []
    batches = math.ceil(options.crops / options.batch)
    for index in range(batches):
        x, y = draw_batch(data, options.batch, options.size, rng)
        *maps, pooled, answers = teacher(x)
        softened = np.power(np.maximum(answers, 1e-9), 1 / SOFTNESS)
        softened /= softened.sum(axis=1, keepdims=True)
        heard.append([value.astype(np.float16) for value in (x, *maps, pooled, softened, y)])
        if index % 25 == 0:
            report({"phase": "teacher", "share": round((index + 1) / batches, 4)})
    pixels, *rest, answers, labels = (np.concatenate(values) for values in zip(*heard, strict=True))
    *maps, pooled = (_standardised(values) for values in rest)
    return Lesson(pixels, maps, pooled, answers, labels)


def _standardised(values: np.ndarray) -> np.ndarray:
    sample = values[:512].astype(np.float32)
    axes = tuple(range(values.ndim - 1))
    mean, deviation = sample.mean(axis=axes), sample.std(axis=axes) + 1e-2
    for start in range(0, len(values), 256):
        values[start : start + 256] = (values[start : start + 256].astype(np.float32) - mean) / deviation
    return values


def pretrain(
    data: Pictures, teacher: Teacher, options: PretrainOptions, report: Report
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Train until the CPU time is spent.

    Args:
        data: What to look at.
        teacher: Whom to imitate.
        options: The budget and its shares.
        report: Called now and then with phase, share and losses; False ends the phase early.

    Returns:
        Folded weights of ``build_small()`` and the log.
    """
    from training.learning.networks.heavy import keras  # training

    keras.utils.set_random_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    lesson = take_lesson(data, teacher, options, rng, report)
    base = build_small(norm=True, size=None)
    outputs = [base.get_layer(f"{stage}_out").output for stage in STAGES]
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    ends = [keras.layers.Dense(width, name=name)(pooled) for name, width in
            (("pooled", 1280), ("answers", 1000), ("labels", lesson.labels.shape[1]))]  # fmt: skip
    log: list[dict[str, Any]] = []
    for stage, share in enumerate(options.shares):
        if stage < 3:
            model = keras.Model(base.input if stage == 0 else outputs[stage - 1], outputs[stage])
            names, targets, source = ["maps"], [lesson.maps[stage]], lesson.inputs(stage)
        else:
            last = stage == 3
            model = keras.Model(outputs[2] if last else base.input, [*(outputs[3:] if last else outputs), *ends])
            targets = [*(lesson.maps[3:] if last else lesson.maps), lesson.pooled, lesson.answers, lesson.labels]
            names = ["maps"] * (len(targets) - 3) + ["pooled", "answers", "labels"]
            source = lesson.inputs(3 if last else 0)
        phase = f"stage {stage + 1}" if stage < 4 else "together"
        rate = options.rate if stage < 4 else options.last_rate
        report({"phase": phase, "share": 0.0})
        log += _phase(model, source, targets, names, phase, rate, share * options.seconds, options, rng, report)
    return fold(base), log


def _phase(
    model: Any, source: np.ndarray, targets: list[np.ndarray], names: list[str], phase: str, rate: float,
    seconds: float, options: PretrainOptions, rng: np.random.Generator, report: Report,
) -> list[dict[str, Any]]:  # fmt: skip
    """Batches from the lesson for so many seconds of CPU, the rate warming up and falling as a cosine."""
    from training.learning.networks.heavy import keras  # training

    losses = {"maps": keras.losses.MeanSquaredError, "pooled": keras.losses.MeanSquaredError}
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=options.decay, clipnorm=1.0),
        loss=[losses[n]() if n in losses else keras.losses.CategoricalCrossentropy(from_logits=True) for n in names],
        loss_weights=[WEIGHTS[name] for name in names],
    )
    log: list[dict[str, Any]] = []
    started, step = time.process_time(), 0
    while (share := (time.process_time() - started) / seconds) < 1:
        model.optimizer.learning_rate = rate * min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * share))
        at = np.sort(rng.choice(len(source), options.batch, replace=False))
        found = model.train_on_batch(
            source[at].astype(np.float32), [target[at].astype(np.float32) for target in targets]
        )
        step += 1
        if step % options.log_every == 0:
            values = [round(float(value), 4) for value in np.ravel(found)]
            if not np.isfinite(values[0]):
                raise TrainingDiverged(f"The loss became {values[0]} in step {step} of {phase}. Lower the rate.")
            log.append({"phase": phase, "step": step, "share": round(share, 4), "losses": values})
            model.reset_metrics()  # Keras averages since the last reset
            if report(log[-1]) is False:
                break
    return log


def save_half(weights: dict[str, np.ndarray], path: Path, facts: dict[str, Any]) -> int:
    """Write the weights in half precision with their facts beside (``<name>.json``); returns the bytes."""
    half = {name: value.astype(np.float16) for name, value in weights.items()}
    if not all(np.isfinite(value).all() for value in half.values()):
        raise TrainingDiverged("A weight does not fit half precision: the training diverged.")
    write_arrays(path, half)
    count = sum(value.size for value in half.values())
    write_atomic(path.with_suffix(".json"), json.dumps(facts | {"parameters": count}, indent=1).encode())
    return path.stat().st_size
