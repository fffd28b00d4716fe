"""Numbers and ratings from many: each worker has a bias and a spread, and outliers are played down.

Model: an answer is the task's true number plus the worker's bias plus noise of the worker's own spread, with the heavy
tails of Student's t, so that a slip of the finger moves nothing far. Fitted by EM (iteratively reweighted means).
Biases and spreads are shrunk towards most people's by how much the worker has said, as the adaptive default does.

For a rating the same model gives a posterior over the steps of the scale, which knows that 3 is nearer to 4 than to 1.

Source: V. C. Raykar et al., "Learning from crowds", JMLR 11 (2010), section 4 (ordinal and continuous labels);
P. McCullagh, "Regression models for ordinal data", JRSS B 42 (1980) (steps as intervals of what is felt);
K. L. Lange, R. J. A. Little, J. M. G. Taylor, "Robust statistical modeling using the t distribution", JASA 84 (1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, erf, exp, floor, inf, log, sqrt
from typing import TypeVar

import numpy as np

from labeling.aggregation.votes import Floats, Ints

Place = TypeVar("Place", float, Floats)
TAILS = 4.0  # degrees of freedom
UNSURE = (TAILS + 3) / (TAILS + 1)  # the square of an estimate's error beside that without such tails
OWN = 5.0  # the crowd's spread counts as so many of a worker's answers, and what is expected as so many of the crowd's
SHARE = 0.2  # of a scale's length: the spread of ratings that is expected before people have disagreed or agreed
HALF = 0.5  # of a whole number, or of a step: what is nearer to another one is that
COARSE = 2.0  # whole numbers: an error that is so many of them
ITERATIONS = 50


@dataclass(frozen=True, eq=False)
class NumericFit:
    """value, error: [tasks], the estimate and its standard error; bias, spread: [workers]; crowd_spread: one number."""

    value: Floats
    error: Floats
    bias: Floats
    spread: Floats
    crowd_spread: float


def fit(
    task: Ints,
    worker: Ints,
    answer: Floats,
    *,
    n_tasks: int,
    n_workers: int,
    expected: float = 0.0,
    ends: tuple[float, float] = (-inf, inf),
) -> NumericFit:
    """Estimate the numbers behind the answers.

    Args:
        task, worker, answer: One row a judgment.
        n_tasks, n_workers: How many there are; a task without an answer gets nan.
        expected: The crowd's spread before anything is known of it; 0 expects nothing.
        ends: Of a scale. An answer there stands for all that lies beyond, and tells nothing of a spread.

    An answer draws its task's value to itself, a lone one all the way, and tells of its worker's spread by the rest:
    without that who is believed most would come to be believed alone.
    """
    value = medians(task, answer, n_tasks)
    said = np.bincount(worker, minlength=n_workers)
    bias, crowd = np.zeros(n_workers), max(_scale(answer - value[task]), expected)
    spread = np.full(n_workers, crowd)
    inside = (answer > ends[0]) & (answer < ends[1])
    for _ in range(ITERATIONS):
        noise = answer - value[task] - bias[worker]
        weight = (TAILS + 1) / (TAILS + (noise / spread[worker]) ** 2)
        precision = weight / spread[worker] ** 2
        total = np.bincount(task, precision, n_tasks)
        before = value
        value = np.bincount(task, precision * (answer - bias[worker]), n_tasks) / np.where(total > 0, total, np.nan)
        rest, tells = answer - value[task], inside * (1 - precision / total[task])
        bias = np.bincount(worker, weight * rest, n_workers) / (np.bincount(worker, weight, n_workers) + OWN)
        bias -= _usual(bias, said)  # else it could hide in the values
        squares = np.bincount(worker, inside * weight * (rest - bias[worker]) ** 2, n_workers)
        known = OWN if expected else 0.0
        variance = (squares.sum() + known * expected**2) / max(float(tells.sum()) + known, 1.0)
        crowd = max(float(np.sqrt(variance)), 1e-9)
        own = np.bincount(worker, tells, n_workers) + OWN
        # Those of most people, by the mean of logarithms: that of the squares is of the worst.
        apart = said @ np.log((squares / crowd**2 + OWN) / own) / max(said.sum(), 1)
        spread = np.sqrt((squares + OWN * crowd**2 * np.exp(apart)) / own)
        if not len(answer) or np.nanmax(np.abs(value - before)) < 1e-6 * crowd:
            break
    total = np.bincount(task, 1 / spread[worker] ** 2, n_tasks)
    return NumericFit(value, np.sqrt(UNSURE / np.where(total > 0, total, np.nan)), bias, spread, crowd)


def on_step(spread: Floats) -> Floats:
    """[workers]: how often somebody of this spread rates the true step, their bias taken away as from their answers."""
    return _below(0.5 / spread) - _below(-0.5 / spread)


def near(fitted: NumericFit, task: Ints, worker: Ints, answer: Floats, tolerance: Floats) -> Floats:
    """[workers]: how often their numbers, less their bias, are within the tolerance [judgments] of the truth.

    Each counts by what it leaves of its own task, as in the fit; one half where that says nothing.
    """
    precision = 1 / fitted.spread[worker] ** 2
    tells = 1 - precision / np.bincount(task, precision)[task]
    is_near = np.abs(answer - fitted.bias[worker] - fitted.value[task]) <= tolerance
    people = len(fitted.bias)
    return (np.bincount(worker, tells * is_near, people) + OWN / 2) / (np.bincount(worker, tells, people) + OWN)


def tolerance(truth: Place, is_whole: bool) -> Floats:
    """How far from a true number an answer may be and be right: 5 %; of whole numbers the nearest one is, too."""
    return np.maximum(0.05 * np.where(truth == 0, 1.0, np.abs(truth)), HALF if is_whole else 0.0)


def medians(task: Ints, answer: Floats, n_tasks: int) -> Floats:
    """[tasks]: the median answer, nan without one."""
    order = np.lexsort((answer, task))
    count = np.bincount(task, minlength=n_tasks)
    start = np.cumsum(count) - count
    value = np.full(n_tasks, np.nan)
    heard = count > 0
    low = answer[order[(start + (count - 1) // 2)[heard]]]
    high = answer[order[(start + count // 2)[heard]]]
    value[heard] = (low + high) / 2
    return value


def _scale(noise: Floats) -> float:
    """A robust standard deviation: 1.4826 median absolute deviations; the plain one where most answers agree."""
    if not len(noise):
        return 1.0
    return max(1.4826 * float(np.median(np.abs(noise))), float(np.sqrt(np.mean(noise**2))) / 3, 1e-9)


def _usual(bias: Floats, said: Ints) -> float:
    """What most people's bias is about: a few who answer in another unit must not move everybody's zero."""
    if not said.sum():
        return 0.0
    off = bias - np.median(bias[said > 0])
    return float(np.average(bias, weights=said / (TAILS + (off / _scale(off[said > 0])) ** 2)))


def combine(answers: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """One task's number, now.

    Args:
        answers: (answer, the worker's bias, the worker's spread), at least one.

    Returns:
        The robust, reliability-weighted mean and its standard error.
    """
    moved = sorted(answer - bias for answer, bias, _ in answers)
    value = (moved[(len(moved) - 1) // 2] + moved[len(moved) // 2]) / 2
    for _ in range(10):
        weights = [
            (TAILS + 1) / (TAILS + ((answer - bias - value) / spread) ** 2) / spread**2
            for answer, bias, spread in answers
        ]
        value = sum(w * (a - b) for w, (a, b, _) in zip(weights, answers, strict=True)) / sum(weights)
    return value, sqrt(UNSURE / sum(1 / spread**2 for _, _, spread in answers))


def nearest(
    answers: Sequence[tuple[float, float, float]], value: float, error: float, least: float, most: float
) -> tuple[int, float]:
    """A whole number from ``least`` to ``most``, and the chance that it is near enough.

    Where the robust mean leaves few of them, whole numbers are steps. Else it is not felt that they are whole.
    """
    if error > COARSE:
        return round(value), within(error, float(tolerance(value, True)))
    far = 5 * error + 2
    scale = range(ceil(max(value - far, least)), floor(min(value + far, most)) + 1)
    chances = steps([(answer - bias, 0.0, spread) for answer, bias, spread in answers], scale)
    best = scale[max(range(len(scale)), key=chances.__getitem__)]
    close = float(tolerance(best, True))
    return best, sum(chance for step, chance in zip(scale, chances, strict=True) if abs(step - best) <= close)


def within(error: float, tolerance: float) -> float:
    """The chance that a normal estimate with this standard error is off by no more than the tolerance."""
    return erf(tolerance / (error * sqrt(2))) if error > 0 else 1.0


def steps(answers: Sequence[tuple[float, float, float]], scale: Sequence[int]) -> list[float]:
    """The posterior over the steps of a rating scale.

    Who rates names the step that is nearest to what they felt, and an end for all that lies beyond it.

    Args:
        answers: (answer, bias, spread) of one task.
        scale: The steps, each one more than that before it.
    """
    edges = [step - HALF for step in scale] + [scale[-1] + HALF]
    logits = [0.0] * len(scale)
    for answer, bias, spread in answers:
        unit = max(spread, 0.25)
        falling = [_below((answer - bias - edge) / unit) for edge in edges]  # each edge is two steps'
        is_first, is_last = answer <= scale[0], answer >= scale[-1]
        for place, (high, low) in enumerate(pairwise(falling)):
            logits[place] += log(max((1.0 if is_last else high) - (0.0 if is_first else low), 1e-12))
    top = max(logits)
    weights = [exp(logit - top) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def _below(place: Place) -> Place:
    """Student's t distribution function, for four degrees of freedom (TAILS)."""
    stretched = 1 + place**2 / 4
    return 0.5 + 0.375 * place / stretched**0.5 * (1 - place**2 / (12 * stretched))
