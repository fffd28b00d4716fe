"""Making our own backbone: distillation of an ImageNet network into ``small``, on whatever pictures are at hand.

Function matching (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent",
arXiv:2106.05237): teacher and student always see the very same crop, mixed with others, for many steps. Few thousand
pictures are little for semantics and plenty for local structure, so the student is also shown the teacher's maps at
four depths (hints: Romero et al. 2015, arXiv:1412.6550), each through a linear projection that is thrown away
afterwards; and what labels the pictures have are learned beside (supervised). Nothing of the teacher is in the result
but what was learned from its answers. Progressive size (Tan and Le 2021): small pictures first.
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
import openvino
from PIL import Image

from labeling.imaging import decode_rgb
from training.learning.errors import LearningError, TrainingDiverged
from training.learning.files import write_atomic
from training.learning.small import FEATURES, STAGES, build_small, fold

# Where the teacher (MobileNetV2) is looked into: the same strides as small.STAGES.
HINTS = ("block_2_add", "block_5_add", "block_12_add", "block_16_project_BN")
STORED = 192  # side of the pictures in memory
SOFTNESS = 2.0  # temperature of the teacher's answers
WEIGHTS = {"hints": 1.0, "pooled": 2.0, "answers": 1.0, "labels": 0.3}


@dataclass(frozen=True)
class PretrainOptions:
    """How long, how large; see ``pretrain``."""

    seconds: float = 1500.0  # of CPU of this process
    wall: float = 24 * 3600.0  # and at most so many by the clock
    batch: int = 32
    rate: float = 3e-3
    decay: float = 1e-4
    # (share of the time, side of the pictures)
    sizes: tuple[tuple[float, int], ...] = ((0.6, 96), (1.0, 128))
    seed: int = 0
    log_every: int = 50


@dataclass
class Pictures:
    """uint8 ``[n, STORED, STORED, 3]`` with class numbers (-1 where a set has no classes)."""

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    sets: dict[str, int] = field(default_factory=dict)


def read_pictures(root: Path, held_out: Sequence[str]) -> Pictures:
    """Every picture under ``root/<set>/``; its folder is its class where a set has several of them.

    Args:
        root: For instance ../shared/data/images.
        held_out: Names of sets to leave out wholly.
    """
    images, labels, sets = [], [], {}
    classes: list[str] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and path.name not in held_out):
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
        names = sorted({path.parent.name for path in files})
        truth = _truth_by_index(folder)
        own = names if len(names) > 1 else sorted(set(truth.values()))
        for path in files:
            picture = decode_rgb(path.read_bytes(), shortest=STORED)
            images.append(np.asarray(picture.resize((STORED, STORED), Image.Resampling.BICUBIC), np.uint8))
            name = path.parent.name if len(names) > 1 else truth.get(path.name)
            labels.append(len(classes) + own.index(name) if name in own else -1)
        classes += [f"{folder.name}/{name}" for name in own]
        sets[folder.name] = len(files)
    if not images:
        raise LearningError(f"Expected folders of pictures under {root}; found none.", "no_pictures")
    return Pictures(np.stack(images), np.array(labels), classes, sets)


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
    """``count`` crops in -1..1 and their labels ``[count, classes]``: half of them alone, half mixed with another."""
    at = rng.integers(0, len(data.images), count)
    x = np.stack([crop(data.images[i], size, rng) for i in at])
    y = np.zeros((count, max(len(data.classes), 1)), np.float32)
    known = data.labels[at] >= 0
    y[np.flatnonzero(known), data.labels[at][known]] = 1
    share = np.where(rng.random(count) < 0.5, 1.0, rng.uniform(0.5, 1.0, count)).astype(np.float32)
    partner = rng.permutation(count)
    mixed = x * share[:, None, None, None] + x[partner] * (1 - share)[:, None, None, None]
    return mixed / 127.5 - 1, y * share[:, None] + y[partner] * (1 - share)[:, None]


class Teacher:
    """MobileNetV2 with its classifier, on OpenVINO: pictures -> maps at HINTS, pooled features, log-probabilities."""

    def __init__(self, weights: Path, threads: int) -> None:
        import keras  # the teacher is a Keras application

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
        wanted = [(4, 24), (4, 32), (4, 96), (4, 320), (2, 1280), (2, 1000)]
        self._order = [list(zip(ranks, widths, strict=True)).index(facts) for facts in wanted]

    def __call__(self, x: np.ndarray) -> list[np.ndarray]:
        answers = self._network([x])
        return [np.array(answers[index]) for index in self._order]


def student_in_training(classes: int) -> Any:
    """``small`` with batch normalisation and, for training only, a projection at each place where it is compared."""
    import keras  # training

    base = build_small(norm=True, size=None)
    widths = (24, 32, 96, 320)
    hints = [
        keras.layers.Conv2D(width, 1, name=f"hint{index}")(base.get_layer(f"{stage}_out").output)
        for index, (stage, width) in enumerate(zip(STAGES, widths, strict=True))
    ]
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    outputs = [
        *hints,
        keras.layers.Dense(1280, name="pooled")(pooled),
        keras.layers.Dense(1000, name="answers")(pooled),
        keras.layers.Dense(max(classes, 1), name="labels")(pooled),
    ]
    return base, keras.Model(base.inputs, outputs, name="student")


def pretrain(
    data: Pictures, teacher: Teacher, options: PretrainOptions, progress: Callable[[dict[str, Any]], bool | None]
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Train until the CPU time is spent.

    Args:
        data: What to look at.
        teacher: Whom to imitate.
        options: The budget and the schedule.
        progress: Called every ``log_every`` steps with step, share (of the budget), losses; False ends it early.

    Returns:
        Folded weights of ``build_small()`` and the log.
    """
    import keras  # training

    keras.utils.set_random_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    base, student = student_in_training(len(data.classes))
    names = [output.name for output in student.layers if output.name in _loss_weights()]
    means, scales = _statistics(data, teacher, options, rng)
    student.compile(
        optimizer=keras.optimizers.AdamW(options.rate, weight_decay=options.decay, clipnorm=1.0),
        loss=[keras.losses.MeanSquaredError() for _ in range(5)]
        + [keras.losses.CategoricalCrossentropy(from_logits=True) for _ in range(2)],
        loss_weights=[_loss_weights()[name] for name in names],
    )
    log: list[dict[str, Any]] = []
    spent, step = _clock(options), 0
    while (share := spent()) < 1:
        student.optimizer.learning_rate = (
            options.rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share))
        )
        size = next(size for until, size in options.sizes if share < until)
        x, y = draw_batch(data, options.batch, size, rng)
        *maps, answers = teacher(x)
        softened = np.power(np.maximum(answers, 1e-9), 1 / SOFTNESS)
        targets = [(found - mean) / scale for found, mean, scale in zip(maps, means, scales, strict=True)]
        losses = student.train_on_batch(x, [*targets, softened / softened.sum(axis=1, keepdims=True), y])
        step += 1
        if step % options.log_every == 0:
            if not np.isfinite(losses[0]):
                raise TrainingDiverged(f"The loss became {losses[0]} in step {step}. Lower the rate.")
            row = {"step": step, "share": round(share, 4), "size": size}
            row |= {name: round(float(value), 4) for name, value in zip(["loss", *names], losses, strict=False)}
            log.append(row)
            student.reset_metrics()  # Keras averages since the last reset
            if progress(row) is False:
                break
    return fold(base), log


def _clock(options: PretrainOptions) -> Callable[[], float]:
    """Share of the budget that is spent, by CPU or by the clock, whichever is further."""
    cpu, wall = time.process_time(), time.monotonic()
    return lambda: max((time.process_time() - cpu) / options.seconds, (time.monotonic() - wall) / options.wall)


def _loss_weights() -> dict[str, float]:
    return {
        **{f"hint{i}": WEIGHTS["hints"] for i in range(4)},
        **{k: WEIGHTS[k] for k in ("pooled", "answers", "labels")},
    }


def _statistics(
    data: Pictures, teacher: Teacher, options: PretrainOptions, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Mean and deviation of each channel of the teacher's maps: every hint then counts alike, 1.0 = nothing learned."""
    sums: list[list[np.ndarray]] = []
    for _ in range(8):
        x, _y = draw_batch(data, 32, options.sizes[-1][1], rng)
        maps = teacher(x)[:-1]
        axes = [tuple(range(found.ndim - 1)) for found in maps]
        sums.append([np.stack([f.mean(a), np.square(f).mean(a)]) for f, a in zip(maps, axes, strict=True)])
    moments = [np.mean([row[index] for row in sums], axis=0) for index in range(len(sums[0]))]
    deviations = [np.sqrt(np.maximum(m[1] - m[0] ** 2, 1e-4)).astype(np.float32) for m in moments]
    return [m[0].astype(np.float32) for m in moments], deviations


def save_half(weights: dict[str, np.ndarray], path: Path, facts: dict[str, Any]) -> int:
    """Write the weights in half precision with their facts beside (``<name>.json``); returns the bytes."""
    import io

    half = {name: value.astype(np.float16) for name, value in weights.items()}
    if not all(np.isfinite(value).all() for value in half.values()):
        raise TrainingDiverged("A weight does not fit half precision: the training diverged.")
    buffer = io.BytesIO()
    np.savez(buffer, **half)  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue())
    write_atomic(path.with_suffix(".json"), json.dumps(facts | {"features": FEATURES}, indent=1).encode())
    return len(buffer.getvalue())
