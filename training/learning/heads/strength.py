"""How strong the weight decay of a head should be, by cross-validation of linear heads on the same features, and how
much a linear discriminant of the same images should say beside it.

Five folds times up to nine strengths are many fits, so each must be quick. Two changes of coordinates make it so, and
neither changes the minimum: the features are rotated onto their principal axes (fewer than the images, where the
network has more features than there are images), and each axis is stretched by the inverse root of its curvature, for
which Böhning's bound on the logistic loss stands in. There L-BFGS is done in ten steps where it took forty.
Source: Böhning, Multinomial logistic regression algorithm (Ann. Inst. Statist. Math. 44, 1992).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial

import numpy as np

from training.learning.calibrate import temperature
from training.learning.files import HEARD_EVERY
from training.learning.heads.dense import log_softmax
from training.learning.heads.discriminant import discriminants
from training.learning.heads.lbfgs import lbfgs
from training.learning.rows import Standardised
from training.learning.split import stratified

# Inverse strengths of the weight decay (C of scikit-learn's LogisticRegression), strongest first: each starts from the
# last one's solution.
STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
# Measured on ten splits of nine sets and backbones: heads that three folds choose fall up to half a percent behind
# scikit-learn's defaults, since two thirds of the images ask for a stronger decay than all of them; five folds do not.
# Chosen by loss + error rate: the loss alone prefers decays so strong that the head is unsure of everything (which the
# temperature mends afterwards), the error rate alone is noise. Of fewer than FEW images both are: there the loss after
# the temperature chooses. Measured in docs/benchmarks.md, bench.quality.
FOLDS = 5
AS_GOOD = 0.02  # of strengths that differ by less than their noise the weakest decay is taken: all images ask for less
FEW = 100
SEARCH_ROWS = 4000  # the search looks at no more than this many rows; C carries over to more
# How far the covariance of the discriminant beside the head is shrunk. It is asked for of up to MOST_BLENDED pictures:
# so far it was measured, and so far it costs nothing worth mentioning.
SHRINKAGES = (0.1, 0.3, 0.5, 0.7, 0.9)
MOST_BLENDED = 1000
STEPS = 10  # of L-BFGS for each strength: twice as many change the losses by less than folds differ


@dataclass(frozen=True)
class Blend:
    """A linear discriminant that a linear head is averaged with.

    Attributes:
        shrinkage: Of its covariance.
        scale: Its logits are multiplied by it first, to be as sure as the head's.
    """

    shrinkage: float
    scale: float


def choose(
    x: Standardised, y: np.ndarray, w: np.ndarray, owners: np.ndarray, rng: np.random.Generator,
    told: Callable[[int, int], None], groups: np.ndarray | None = None,
) -> tuple[float, Blend | None, dict[str, float]]:  # fmt: skip
    """The strength C by the cross-validation: on all pictures of few, on SEARCH_ROWS rows of many.

    Args:
        x: ``[n, dim]``.
        y: float32 ``[n, classes]``, soft labels.
        w: float32 ``[n]``, weights.
        owners: int ``[n]``, which picture each row shows: the first row of each, which is the picture itself and no
            view of it, is what a fold is measured on.
        rng: Draws the pictures and the folds.
        told: Called with (folds done, folds) after each, within one at every step, and now and then while the features
            are rotated; may raise to stop.
        groups: int ``[n]``, which rows show near-duplicates: these are never on both sides of a fold. None = those of
            one picture.

    Returns:
        One of STRENGTHS; the discriminant that makes a head of this strength better, None where none does or there are
        more than MOST_BLENDED pictures; and for each strength that was tried its loss + error rate on pictures that
        were held out, or its calibrated loss where there are fewer than FEW. Where nothing can be held out (two
        pictures, that fell into one fold) nothing is tried, and it is the strongest decay alone.
    """
    _, first, owner = np.unique(owners, return_index=True, return_inverse=True)
    rows, pictures = _sample(owner, rng)
    y, w, is_picture = y[rows], w[rows], np.isin(rows, first)
    folds = stratified(y.argmax(axis=1), min(FOLDS, pictures), rng, (owners if groups is None else groups)[rows])
    known = np.unique(folds)  # a handful of pictures may leave a fold empty
    if len(known) < 2:
        return STRENGTHS[0], None, {}
    count = len(known)
    rotated, curvature = _rotated(x.read(rows), partial(told, 0, count))
    tried, is_blended = len(STRENGTHS), len(rows) == len(x) and len(first) <= MOST_BLENDED
    # Labels held out, and what heads and discriminants say of them.
    labels, heads, others = list[np.ndarray](), list[list[np.ndarray]](), list[list[np.ndarray]]()
    for done, fold in enumerate(known):
        fit, held = folds != fold, (folds == fold) & is_picture
        heads.append(_logits(
            rotated[fit], y[fit], w[fit], rotated[held], y[held], curvature, STRENGTHS[:tried],
            partial(told, done, count),
        ))  # fmt: skip
        tried = len(heads[-1])
        labels.append(y[held])
        if is_blended:
            found = discriminants(rotated[fit], y[fit], w[fit], x.dim, SHRINKAGES)
            others.append([rotated[held] @ weights + bias for weights, bias in found])
        told(done + 1, count)
    truth = np.concatenate(labels)
    pooled = [np.concatenate([one[index] for one in heads]) for index in range(tried)]
    losses = np.array(
        [(_calibrated_loss if len(truth) < FEW else _loss_and_errors)(logits, truth) for logits in pooled]
    )
    best = int(np.flatnonzero(losses <= losses.min() * (1 + AS_GOOD)).max())
    blend = None
    if is_blended:
        blend = _blend(truth, pooled[best], [np.concatenate(one) for one in zip(*others, strict=True)])
    return STRENGTHS[best], blend, {str(s): round(float(one), 6) for s, one in zip(STRENGTHS, losses, strict=False)}


def _sample(owner: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """The rows of pictures drawn by lot, SEARCH_ROWS at most and picture by picture, and of how many pictures.

    Args:
        owner: int ``[n]``, the number of the picture that each row shows.
    """
    sizes = np.bincount(owner)
    drawn = rng.permutation(len(sizes))
    drawn = drawn[np.cumsum(sizes[drawn]) <= SEARCH_ROWS]
    place = np.full(len(sizes), len(drawn))
    place[drawn] = np.arange(len(drawn))
    return np.argsort(place[owner], kind="stable")[: int(sizes[drawn].sum())], len(drawn)


def _loss_and_errors(logits: np.ndarray, y: np.ndarray) -> float:
    """Loss + error rate."""
    return _loss(logits, y) + float((logits.argmax(axis=1) != y.argmax(axis=1)).mean())


def _calibrated_loss(logits: np.ndarray, y: np.ndarray) -> float:
    """The loss, however sure the logits are."""
    return _loss(_calibrated(logits, y)[1], y)


def _calibrated(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The temperature that suits the logits ``[n, classes]`` best, and the logits divided by it."""
    by = temperature(logits, y)
    return by, logits / np.float32(by)


def _loss(logits: np.ndarray, y: np.ndarray) -> float:
    return -float(np.einsum("nk,nk->n", y, log_softmax(logits)).mean(dtype=np.float64))


def _blend(y: np.ndarray, heads: np.ndarray, others: list[np.ndarray]) -> Blend | None:
    """The shrinkage whose mean with the heads, each as sure as it may be, has the least loss; None = the heads alone.

    Args:
        y: ``[n, classes]``, labels held out.
        heads: ``[n, classes]``, the heads' logits.
        others: The same of the discriminant of each of SHRINKAGES.
    """
    by, ours = _calibrated(heads, y)
    found, least = None, _loss(ours, y)
    for shrinkage, other in zip(SHRINKAGES, others, strict=True):
        their_by, theirs = _calibrated(other, y)
        now = _loss(_calibrated(ours + theirs, y)[1], y)
        if now < least:
            found, least = Blend(shrinkage, by / their_by), now
    return found


def _rotated(x: np.ndarray, step: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """What ``_principal`` returns, with ``step`` called meanwhile, which may raise to stop.

    The axes of 4,096 features are one call into LAPACK of some 17 seconds. It lets other threads run, but cannot be
    stopped: it goes on to its end by itself, and nobody looks at what it found.
    """
    found: Future[tuple[np.ndarray, np.ndarray]] = Future()

    def rotate() -> None:
        try:
            found.set_result(_principal(x))
        except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
            found.set_exception(error)

    threading.Thread(target=rotate, name="principal axes", daemon=True).start()  # no exit waits for it
    while not wait([found], HEARD_EVERY).done:
        step()
    return found.result()


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows ``[n, dim]`` along their principal axes ``[n, r]``, r <= min(n, dim), and the mean square along each."""
    n, dim = x.shape
    if n > dim:
        squares, axes = np.linalg.eigh(x.T @ x / np.float32(n))
        x = x @ axes
    else:  # the same by the products of the rows with each other
        squares, axes = np.linalg.eigh(x @ x.T / np.float32(n))
        x = axes * np.sqrt(np.maximum(squares, 0) * np.float32(n))
    known = squares > 1e-6 * squares[-1]  # below it is nothing but the rounding of float32
    return x[:, known], squares[known].astype(np.float64)


def _logits(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, held: np.ndarray, held_y: np.ndarray, curvature: np.ndarray,
    strengths: tuple[float, ...], step: Callable[[], None],
) -> list[np.ndarray]:  # fmt: skip
    """What is said of the held-out rows with each strength; of many, until two in a row were worse than the one before.

    Few rows tell too little to stop there.
    """
    weights, bias = np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1])
    losses: list[float] = []
    said: list[np.ndarray] = []
    for strength in strengths:
        weights, bias = _fitted(x, y, w, curvature, strength, weights, bias, step)
        logits = held @ weights.astype(np.float32) + bias.astype(np.float32)
        said.append(logits)
        losses.append(_loss_and_errors(logits, held_y))
        if len(held) >= FEW / FOLDS and len(losses) >= 3 and losses[-1] > losses[-2] > losses[-3]:
            break  # from here on it only overfits more
    return said


def _fitted(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, curvature: np.ndarray, strength: float, weights: np.ndarray,
    bias: np.ndarray, step: Callable[[], None],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Weights ``[r, classes]`` and bias of the linear head with this decay, from those of another one; ``step`` is
    called at each step."""
    decay = 1.0 / (strength * len(x))
    stretch = 1.0 / np.sqrt(0.25 * curvature + decay)[:, None]
    mass, share = y.sum(axis=1, keepdims=True), (w / (w.sum() or 1))[:, None]

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        inner = point[:-1] * stretch
        log_p = log_softmax(x @ inner.astype(np.float32) + point[-1].astype(np.float32))
        delta = (np.exp(log_p) * mass - y) * share
        loss = -float(np.sum(share * y * log_p, dtype=np.float64)) + 0.5 * decay * float(np.vdot(inner, inner))
        return loss, np.vstack([(x.T @ delta + decay * inner) * stretch, delta.sum(axis=0)])

    def flat(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(point.reshape(-1, y.shape[1]))
        return value, gradient.ravel()

    point = np.vstack([weights / stretch, bias]).ravel()
    for _, found in lbfgs(flat, point, iterations=STEPS, tolerance=1e-4, first_step=1.0):
        point = found
        step()
    ended = point.reshape(-1, y.shape[1])
    return ended[:-1] * stretch, ended[-1]
