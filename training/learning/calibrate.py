"""Probabilities that mean what they say: temperature scaling (Guo et al. 2017, arXiv:1706.04599).

One number, fitted on the validation part, divides the logits. It changes how sure the model says it is and never what
it answers.
"""

from __future__ import annotations

import numpy as np

from training.learning.heads.dense import log_softmax

LOWEST, HIGHEST = 0.1, 20.0
BINS = 15  # of the reliability diagram
DRAWS = 1000  # of answers of a model that means what it says
PRIOR = 5.0  # pictures' worth of belief in T = 1: a small set that is all right would else ask for certainty


def temperature(logits: np.ndarray, y: np.ndarray) -> float:
    """The T in LOWEST..HIGHEST with the least cross-entropy of ``softmax(logits / T)``.

    Args:
        logits: ``[n, classes]`` on pictures that were not trained on.
        y: ``[n, classes]`` soft labels.

    Returns:
        1.0 where n is 0 or the logits are all alike. A golden-section search over log T
        finds the minimum.
    """
    if not len(logits) or np.ptp(logits, axis=1).max() < 1e-9:
        return 1.0
    z, target = np.asarray(logits, np.float64), np.asarray(y, np.float64)

    def loss(log_t: float) -> float:
        data = -float((target * log_softmax(z / np.exp(log_t))).sum())
        return (data + PRIOR * 0.5 * log_t**2) / len(z)

    low, high = np.log(LOWEST), np.log(HIGHEST)
    ratio = (np.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    while high - low > 1e-4:
        if loss_a <= loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - ratio * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + ratio * (high - low)
            loss_b = loss(b)
    return float(np.exp((low + high) / 2))


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, list[dict[str, float]]]:
    """Expected calibration error and the reliability diagram's bars (equal-width bins of the top probability).

    Args:
        probabilities: ``[n, classes]``.
        labels: int ``[n]``.

    Returns:
        ECE in 0..1 (0 where n is 0) and, per non-empty bin, low, high, confidence, accuracy, count.
    """
    if not len(labels):
        return 0.0, []
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    at = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error, bars = 0.0, []
    for index in range(BINS):
        mine = at == index
        if not mine.any():
            continue
        sure, accuracy = float(confidence[mine].mean()), float(right[mine].mean())
        error += abs(sure - accuracy) * float(mine.mean())
        bars.append(
            {"low": index / BINS, "high": (index + 1) / BINS, "confidence": sure, "accuracy": accuracy,
             "count": int(mine.sum())}
        )  # fmt: skip
    return error, bars


def by_chance(confidence: np.ndarray, groups: np.ndarray | None = None) -> float:
    """The calibration error that a model which means exactly what it says stays below in 19 of 20 cases.

    On few pictures that is far from 0. Its answers are drawn to be as often right as they are sure (Bröcker and Smith,
    Increasing the Reliability of Reliability Diagrams, Weather and Forecasting 22, 2007).

    Args:
        confidence: ``[n]``, the top probabilities; n > 0.
        groups: int ``[n]``: near-duplicates have one number, and are right or wrong together. None = each by itself.
    """
    rng, n = np.random.default_rng(0), len(confidence)
    group = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    bins = np.eye(BINS, dtype=np.float32)[np.minimum((confidence * BINS).astype(int), BINS - 1)]
    sure, errors, at_once = confidence @ bins, np.empty(DRAWS), 2**14 // n + 1
    for start in range(0, DRAWS, at_once):
        drawn = rng.random((min(at_once, DRAWS - start), group.max() + 1)).take(group, axis=1)
        right = (drawn < confidence).astype(np.float32) @ bins
        errors[start : start + at_once] = np.abs(right - sure).sum(axis=1) / n
    return float(np.quantile(errors, 0.95))
