"""Pure: may a new version answer instead of the champion? By the paired bootstrap on the same held-out images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.learning.metrics import compare


@dataclass(frozen=True)
class Verdict:
    """``alias`` is champion or challenger; ``reason`` is stored with the version and shown to people."""

    alias: str
    reason: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def first_verdict(*, right: np.ndarray, truth: np.ndarray, n_classes: int) -> Verdict:
    """A first model has nothing to beat but chance and the largest class.

    Args:
        right: bool [n], whether the new model was right on each held-out image.
        truth: int [n], the labels.
        n_classes: How many categories it can answer.
    """
    accuracy = float(right.mean())
    baseline = max(1 / n_classes, float(np.bincount(truth, minlength=n_classes).max()) / len(truth))
    said = (
        f"accuracy {accuracy:.3f} on {len(truth)} held-out images; always saying the largest class gives {baseline:.3f}"
    )
    if accuracy > baseline:
        return Verdict("champion", f"First model: {said}.")
    return Verdict("challenger", f"Not better than knowing nothing: {said}. More labels or another backbone may help.")


def verdict(*, right: np.ndarray, champion_right: np.ndarray, champion: str, seed: int = 0) -> Verdict:
    """Whether the new model is better than the champion beyond chance.

    Args:
        right: bool [n], whether the new model was right on each image of the frozen test set.
        champion_right: bool [n], the same for the champion, on the same images in the same order.
        champion: The champion's name, for the reason.
    """
    found = compare(_answers(right), _answers(champion_right), np.ones(len(right), int), seed=seed)
    difference, (low, high) = found["difference"], found["interval"]
    said = (
        f"accuracy {right.mean():.3f} against {champion_right.mean():.3f} of {champion} on the same {len(right)}"
        f" held-out images; the difference is {difference:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"
    )
    if found["better"]:
        return Verdict("champion", f"Better beyond chance: {said}.", difference, low, high)
    if difference > 0:
        return Verdict("challenger", f"Better, but it may be chance: {said}.", difference, low, high)
    return Verdict("challenger", f"Not better: {said}.", difference, low, high)


def _answers(right: np.ndarray) -> np.ndarray:
    """bool [n] -> [n, 2]: class 1 where the model was right. The models' own classes need not be the same ones."""
    return np.eye(2)[np.asarray(right, int)]
