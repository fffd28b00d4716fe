"""Fitting the new classifier on cached features, in numpy: seconds where a network's own training loop takes minutes.

A linear head is multinomial logistic regression (convex, so L-BFGS finds the one minimum and no learning rate has to
be guessed), on up to 1,000 images averaged with their linear discriminant where folds say so; a dense head goes by Adam
with a cosine schedule. Labels may be soft (a consensus' posterior) and weighted (how sure it is). The strength of the
weight decay is chosen by cross-validation on the same features.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from labeling.text.words import gettext as _
from training.learning.errors import Cancelled, LearningError, TooLittleData, TrainingDiverged
from training.learning.heads.dense import Head, log_softmax
from training.learning.heads.discriminant import discriminants
from training.learning.heads.lbfgs import lbfgs
from training.learning.heads.strength import Blend, choose
from training.learning.rows import Rows, Standardised

Progress = Callable[[dict[str, Any]], bool | None]
Layers = list[tuple[np.ndarray, np.ndarray]]
SOLVERS = ("auto", "lbfgs", "adam")
SKEW = 3.0  # class weights where the largest class has this many times the smallest one's images


@dataclass(frozen=True)
class HeadOptions:
    """How a head is fitted; the defaults suit 10 to 100,000 images.

    Attributes:
        hidden: Widths of the layers before the last, () for a linear head.
        strength: Inverse weight decay C; None = chosen by cross-validation.
        blend: Shrinkage and scale of the linear discriminant that a linear head is averaged with (``strength.Blend``),
            () = none. None = chosen together with the strength, and none where that is given.
        epochs: At most so many passes (L-BFGS: iterations).
        patience: Stop after so many epochs without a better validation loss; the best one is kept.
        learning_rate, batch_size: Of Adam.
        label_smoothing: Share of each label spread over all classes, 0..1.
        class_weights: Weigh classes by their rarity; None = where they are skewed by SKEW or more.
        solver: auto (lbfgs for a linear head, else adam), lbfgs or adam.
    """

    hidden: tuple[int, ...] = ()
    strength: float | None = None
    blend: tuple[float, ...] | None = None
    epochs: int = 200
    patience: int = 20
    learning_rate: float = 2e-3
    batch_size: int = 128
    label_smoothing: float = 0.0
    class_weights: bool | None = None
    solver: str = "auto"

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise LearningError(f"Expected a solver of {', '.join(SOLVERS)}; got {self.solver!r}.", "bad_options")


@dataclass
class _Data:
    """Standardised features [n, dim], soft labels [n, classes], weights [n] of mean 1, whose views [n], which are
    near-duplicates [n]; None where nothing validates."""

    x: Standardised
    y: np.ndarray
    w: np.ndarray
    owners: np.ndarray
    groups: np.ndarray
    x_val: Standardised | None
    y_val: np.ndarray


@dataclass
class _Watch:
    """Keeps the curve and the best iterate, says when to stop, passes progress on."""

    options: HeadOptions
    progress: Progress | None
    history: dict[str, Any] = field(
        default_factory=lambda: {"loss": [], "accuracy": [], "val_loss": [], "val_accuracy": []}
    )
    best: float = np.inf
    best_layers: Layers = field(default_factory=list)
    best_epoch: int = 0

    def see(self, loss: float, accuracy: float, layers: Layers, data: _Data) -> bool:
        """Record an epoch; False = stop here."""
        has_val = data.x_val is not None
        val_loss, val_accuracy = _measure(layers, data.x_val, data.y_val) if data.x_val else (loss, accuracy)
        if not np.isfinite(loss + val_loss):
            told = _("The loss became %(loss)s in epoch %(epoch)s. Lower the rate.")
            raise TrainingDiverged(told % {"loss": loss + val_loss, "epoch": len(self.history["loss"]) + 1})
        for name, value in (
            ("loss", loss),
            ("accuracy", accuracy),
            ("val_loss", val_loss),
            ("val_accuracy", val_accuracy),
        ):
            self.history[name].append(round(float(value), 6))
        epoch = len(self.history["loss"])
        if val_loss < self.best or not has_val:  # without a validation part the last epoch is the best
            self.best, self.best_epoch = float(val_loss), epoch
            self.best_layers = [(W.copy(), b.copy()) for W, b in layers]
        if self.progress is not None:
            curves = {name: curve for name, curve in self.history.items() if isinstance(curve, list)}
            report = {"stage": "fit", "epoch": epoch, "epochs": self.options.epochs, "curves": curves}
            if self.progress(report) is False:
                raise Cancelled(f"The fit was cancelled in epoch {epoch}.")
        return epoch - self.best_epoch < self.options.patience

    def searched(self, done: int, of: int) -> None:
        """Pass on how far the search for the decay is."""
        if self.progress is not None and self.progress({"stage": "search", "done": done, "of": of}) is False:
            raise Cancelled("The fit was cancelled while the weight decay was being chosen.")


def fit_head(
    x: np.ndarray | Rows,
    y: np.ndarray,
    weights: np.ndarray | None = None,
    x_val: np.ndarray | Rows | None = None,
    y_val: np.ndarray | None = None,
    *,
    categories: Sequence[str],
    owners: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    options: HeadOptions | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Head, dict[str, Any]]:
    """Fit a head; the same arguments give the same head.

    Args:
        x: float32 ``[n, dim]`` features. Rows of a table are read by blocks, again in each pass, and need not fit into
            memory.
        y: ``[n, classes]`` soft labels, rows summing to 1 (one-hot for hard ones).
        weights: ``[n]`` how much each picture counts, >= 0; None = alike.
        x_val, y_val: The validation part, for early stopping; may be missing or empty.
        categories: Names of the classes.
        owners: int ``[n]`` which picture each row shows, where some are augmented views; the first row of each is the
            picture itself. None = each row is a picture of its own.
        groups: int ``[n]``: near-duplicates have one number, and their views the same; they are on one side of each
            fold. None = no picture is like another.
        options: See HeadOptions.
        seed: Of the folds, the start and the batches.
        progress: Called once an epoch with stage, epoch, epochs, and the four curves so far; False cancels.

    Returns:
        The head (temperature 1) and its history: the four curves, ``best_epoch``, ``strength``, ``blend``, ``search``.

    Raises:
        TooLittleData, LearningError (shapes, values that are no numbers), TrainingDiverged, Cancelled.
    """
    options = options or HeadOptions()
    x = Rows.of(x)
    y, w = _checked(x, y, weights, categories)
    mean, scale = _standardisation(x, w)
    y = _smooth(y, options.label_smoothing)
    held_out = None if x_val is None or y_val is None or not len(x_val) else Standardised(Rows.of(x_val), mean, scale)
    y_val = np.empty((0, y.shape[1]), np.float32) if y_val is None else np.asarray(y_val, np.float32)
    w = class_weighted(y, w, options.class_weights)
    owners = np.arange(len(x)) if owners is None else owners
    data = _Data(Standardised(x, mean, scale), y, w, owners, owners if groups is None else groups, held_out, y_val)
    rng = np.random.default_rng(seed)
    watch = _Watch(options, progress)
    # OpenBLAS' threads wait for each other by spinning: on blocks of rows two of them take three times the CPU of one,
    # and on two busy cores they made a fit of 96 images take 20 seconds instead of 0.3.
    with threadpool_limits(1, user_api="blas"):
        strength, blend = _fit(data, options, rng, watch)
        layers = watch.best_layers or _start(x.shape[1], (), y.shape[1], rng, zero=True)
        if blend is not None:
            layers = _blended(layers, data, blend)
    told = {"best_epoch": watch.best_epoch, "strength": strength, "blend": astuple(blend) if blend else ()}
    history = watch.history | told
    layers = [(W.astype(np.float32), b.astype(np.float32)) for W, b in layers]
    return Head(layers, mean, scale, 1.0, tuple(categories)), history


def _fit(data: _Data, options: HeadOptions, rng: np.random.Generator, watch: _Watch) -> tuple[float, Blend | None]:
    """The search where no strength is given, the solver until ``watch`` has seen enough; returns the strength and the
    blend to use."""
    by_lbfgs = options.solver == "lbfgs" or (options.solver == "auto" and not options.hidden)
    strength, blend = options.strength, Blend(*options.blend) if options.blend else None
    if strength is None:
        strength, found, watch.history["search"] = choose(
            data.x, data.y, data.w, data.owners, rng, watch.searched, data.groups
        )
        blend = found if options.blend is None else blend
    options = replace(options, strength=strength)
    for loss, accuracy, layers in (_by_lbfgs if by_lbfgs else _by_adam)(data, options, rng):
        if not watch.see(loss, accuracy, layers, data):
            break
    return strength, None if options.hidden else blend


def _blended(layers: Layers, data: _Data, blend: Blend) -> Layers:
    """The mean of a linear head and of the linear discriminant, as one linear head."""
    ((W, b),) = layers
    x = data.x.read(slice(None))
    ((other_W, other_b),) = discriminants(x, data.y, data.w, data.x.dim, [blend.shrinkage])
    return [((W + blend.scale * other_W) / 2, (b + blend.scale * other_b) / 2)]


# ---------------------------------------------------------------------------------------------------- preparation


def _checked(
    x: Rows, y: np.ndarray, weights: np.ndarray | None, categories: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights as float32; raises where these or the features are not as ``fit_head`` asks."""
    y = np.asarray(y, np.float32)
    if len(x.shape) != 2 or y.shape != (len(x), len(categories)):
        raise LearningError(
            f"Expected features [n, dim] and labels [n, {len(categories)}]; got {list(x.shape)} and {list(y.shape)}.",
            "bad_shapes",
        )
    if len(categories) < 2 or len(x) < 2:
        told = _("At least 2 categories and 2 images are needed; got %(categories)s and %(images)s.")
        raise TooLittleData(told % {"categories": len(categories), "images": len(x)})
    w = np.ones(len(x), np.float32) if weights is None else np.asarray(weights, np.float32)
    finite = (
        all(np.isfinite(block).all() for _at, block in x.blocks()) and np.isfinite(y).all() and np.isfinite(w).all()
    )
    if not finite or (w < 0).any():
        raise LearningError(
            _("Some features, labels or weights are no numbers, or a weight is negative."), "bad_values"
        )
    if len(np.unique(y[w > 0].argmax(axis=1))) < 2:
        told = _("All images have the same likeliest label: a model learns from images of at least two categories.")
        raise TooLittleData(told)
    return y, w


def _standardisation(x: Rows, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and scale per feature, in float64; a constant feature keeps scale 1.

    The scale is the geometric mean of the feature's own deviation and of the usual one: divided by its own alone, a
    feature that hardly varies, which is mostly noise, would count as much as any other. But no scale is more than
    twice or less than half of the feature's own, since features may come in units of their own.
    """
    share = (w / w.sum()).astype(np.float64)
    mean, squares = np.zeros((2, x.shape[1]))
    for rows, block in x.blocks():
        mean += share[rows] @ block
        squares += share[rows] @ np.square(block)
    variance = np.maximum(squares - np.square(mean), 0)
    scale = np.sqrt(variance)
    floor = 1e-4 * np.abs(mean) + 1e-6  # below it the float32 sums above are noise
    varies = scale > floor
    usual = np.median(scale[varies]) if varies.any() else 1.0
    scale[varies] *= np.clip(np.sqrt(usual / scale[varies]), 0.5, 2)
    return mean.astype(np.float32), np.where(varies, scale, 1.0).astype(np.float32)


def _smooth(y: np.ndarray, share: float) -> np.ndarray:
    return y * np.float32(1 - share) + np.float32(share / y.shape[1]) if share else y


def class_weighted(y: np.ndarray, w: np.ndarray, wanted: bool | None) -> np.ndarray:
    """Weights ``[n]`` of mean 1, of ``w [n]`` and soft labels ``y [n, classes]``: of rare classes more, where wanted.

    Args:
        wanted: None = where the largest class has SKEW times the smallest one's images.
    """
    mass = w @ y
    there = mass[mass > 1e-6]
    if wanted or (wanted is None and there.max() >= SKEW * there.min()):
        # The square root: halfway between what was counted and equal shares, so that one mislabeled picture of a rare
        # class does not outweigh a hundred of the common one.
        w = w * (y @ np.sqrt(there.mean() / np.maximum(mass, 1e-6), where=mass > 1e-6, out=np.zeros_like(mass)))
    return (w / w.mean()).astype(np.float32)


def _start(dim: int, hidden: Sequence[int], classes: int, rng: np.random.Generator, *, zero: bool = False) -> Layers:
    widths = (dim, *hidden, classes)
    layers = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        last = index == len(widths) - 2
        spread = 0.0 if zero else (0.01 if last else np.sqrt(2 / fan_in))
        layers.append((rng.normal(0, 1, (fan_in, fan_out)) * spread, np.zeros(fan_out)))
    return layers


# ---------------------------------------------------------------------------------------------------- the two solvers


def _by_lbfgs(data: _Data, options: HeadOptions, rng: np.random.Generator) -> Iterator[tuple[float, float, Layers]]:
    """Full-batch; yields (mean weighted loss without decay, accuracy, layers) per iteration."""
    layers = _start(data.x.dim, options.hidden, data.y.shape[1], rng, zero=not options.hidden)
    shapes = [(W.shape, b.shape) for W, b in layers]
    decay = 1.0 / ((options.strength or 1.0) * len(data.x))
    last = {"loss": 0.0, "accuracy": 0.0}

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        now = _unpack(point, shapes)
        loss, accuracy, gradients = _gradients(now, data.x, data.y, data.w)
        last.update(loss=loss, accuracy=accuracy)
        penalty = 0.5 * decay * sum(float(np.vdot(W, W)) for W, _ in now)
        return loss + penalty, _pack([(gW + decay * W, gb) for (gW, gb), (W, _) in zip(gradients, now, strict=True)])

    for _loss, point in lbfgs(objective, _pack(layers), iterations=options.epochs, tolerance=1e-4):
        yield last["loss"], last["accuracy"], _unpack(point, shapes)


def _by_adam(data: _Data, options: HeadOptions, rng: np.random.Generator) -> Iterator[tuple[float, float, Layers]]:
    """Minibatches (Kingma and Ba 2015, with decoupled decay after Loshchilov and Hutter 2019) on a cosine schedule."""
    layers = _start(data.x.dim, options.hidden, data.y.shape[1], rng)
    shapes = [(W.shape, b.shape) for W, b in layers]
    decay = 1.0 / ((options.strength or 1.0) * len(data.x))
    point = _pack(layers)
    m, v, step = np.zeros_like(point), np.zeros_like(point), 0
    batches = max(1, -(-len(data.x) // options.batch_size))
    for _epoch in range(options.epochs):
        losses, hits = 0.0, 0.0
        for at in np.array_split(rng.permutation(len(data.x)), batches):
            now = _unpack(point, shapes)
            loss, accuracy, gradients = _gradients(now, data.x, data.y, data.w, at)
            losses, hits, step = losses + loss * len(at), hits + accuracy * len(at), step + 1
            gradient = _pack([(gW + decay * W, gb) for (gW, gb), (W, _) in zip(gradients, now, strict=True)])
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            rate = options.learning_rate * 0.5 * (1 + np.cos(np.pi * step / (batches * options.epochs)))
            point = point - rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        yield losses / len(data.x), hits / len(data.x), _unpack(point, shapes)


def _gradients(
    layers: Layers, x: Standardised, y: np.ndarray, w: np.ndarray, at: np.ndarray | None = None
) -> tuple[float, float, Layers]:
    """Weighted mean cross-entropy, accuracy, and the gradient by hand; products in float32, sums in float64.

    Args:
        at: Only these rows (a batch), read at once; None = all, by blocks.
    """
    single = _single(layers)
    total = float((w if at is None else w[at]).sum()) or 1.0  # a batch of pictures that count nothing teaches nothing
    loss, accuracy = 0.0, 0.0
    gradients = [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers]
    for rows, block in x.blocks() if at is None else [(at, x.read(at))]:
        acts = _forward(single, block)
        target, weight = y[rows], w[rows]
        log_p = log_softmax(acts[-1])
        loss -= float(np.sum(weight * np.einsum("nk,nk->n", target, log_p), dtype=np.float64))
        accuracy += float(weight @ (acts[-1].argmax(axis=1) == target.argmax(axis=1)))
        delta = np.exp(log_p) * target.sum(axis=1, keepdims=True) - target
        delta *= (weight / np.float32(total))[:, None]
        for index in range(len(layers) - 1, -1, -1):
            gradients[index][0][...] += acts[index].T @ delta
            gradients[index][1][...] += delta.sum(axis=0)
            if index:
                delta = (delta @ single[index][0].T) * (acts[index] > 0)
    return loss / total, accuracy / total, gradients


def _single(layers: Layers) -> Layers:
    return [(W.astype(np.float32), b.astype(np.float32)) for W, b in layers]


def _forward(layers: Layers, x: np.ndarray) -> list[np.ndarray]:
    """The inputs of each layer, then the logits; all float32."""
    acts = [x]
    for W, b in layers[:-1]:
        acts.append(np.maximum(acts[-1] @ W + b, 0))
    W, b = layers[-1]
    return [*acts, acts[-1] @ W + b]


def _measure(layers: Layers, x: Standardised, y: np.ndarray) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    single = _single(layers)
    loss, right = 0.0, 0
    for rows, block in x.blocks():
        logits = _forward(single, block)[-1]
        loss -= float(np.einsum("nk,nk->n", y[rows], log_softmax(logits)).sum(dtype=np.float64))
        right += int((logits.argmax(axis=1) == y[rows].argmax(axis=1)).sum())
    return loss / len(x), right / len(x)


def _pack(layers: Layers) -> np.ndarray:
    return np.concatenate([np.concatenate([W.ravel(), b.ravel()]) for W, b in layers]).astype(np.float64)


def _unpack(point: np.ndarray, shapes: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> Layers:
    layers, at = [], 0
    for W, b in shapes:
        size = int(np.prod(W))
        layers.append((point[at : at + size].reshape(W), point[at + size : at + size + b[0]]))
        at += size + b[0]
    return layers
