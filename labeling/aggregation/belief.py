"""What the last full fit believes, in the small: enough to update one task the moment a judgment arrives.

Pure Python on short lists: a task has a handful of judgments, and numpy's overhead would be most of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, fsum, log
from typing import Any

from labeling.aggregation.slots import LEAST_WIDTH, MANY, filled

# Before anything was fitted: of two classes workers name the right one this often, of more they are as far above
# guessing. Cautious, so that early tasks are not closed on the word of strangers.
FIRST_SKILL = 0.7
FLOOR = 1e-4
VOTES = ("majority", "weighted_majority")  # methods whose posterior is a share of votes
MOST_CLASSES = 50  # above it no matrices are stored, only accuracies


@dataclass(frozen=True)
class Belief:
    """A question's fitted crowd.

    Attributes:
        classes: Labels, in the order of ``prior`` and of the matrices' rows (truth) and columns (answer).
        prior: How frequent each is.
        pooled: The crowd's confusion matrix: the prior of an unknown worker. None above MOST_CLASSES.
        accuracy: The crowd's.
        spread: The crowd's, of numbers; 0 before anything was fitted.
        is_vote: Whether posteriors are shares of votes (a majority) and not chances.
        weighs: Whether such a vote weighs what its worker's accuracy is.
        table: ``labeling.consensus.stopping``'s confidence table.
        correlation: How far people err together (``correlation.py``); 0 for methods that take them as independent.
        width: Of a question with very many classes, among how many each task is decided (``slots.py``); 0 = all.
    """

    classes: tuple[str, ...]
    prior: tuple[float, ...]
    pooled: tuple[tuple[float, ...], ...] | None
    accuracy: float
    spread: float = 0.0
    is_vote: bool = False
    weighs: bool = False
    table: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    correlation: float = 0.0
    width: int = 0

    @staticmethod
    def ignorant(classes: Sequence[str], method: str = "") -> Belief:
        """Before the first fit: all classes alike, all workers alike; posteriors order labels as majority does."""
        width = LEAST_WIDTH if len(classes) > MANY else 0
        count = width or max(len(classes), 1)
        skill = 1 / count + (1 - 1 / count) * (2 * FIRST_SKILL - 1) if count > 1 else 1.0
        return Belief(
            tuple(classes), (1 / count,) * (0 if width else count), None, skill,
            is_vote=method in VOTES, weighs=method == VOTES[1], width=width,
        )  # fmt: skip

    @staticmethod
    def read(stored: Mapping[str, Any], classes: Sequence[str], method: str = "") -> Belief:
        """From ``Question.fit``; ignorance when that is empty or was fitted on other classes."""
        width = stored.get("width", 0)
        if not stored or (not width and tuple(stored["classes"]) != tuple(classes)):
            return Belief.ignorant(classes, method)
        pooled = stored.get("pooled")
        return Belief(
            classes=tuple(classes),
            prior=tuple(stored["prior"]),
            pooled=tuple(tuple(row) for row in pooled) if pooled else None,
            accuracy=stored["accuracy"],
            spread=stored.get("spread", 0.0),
            is_vote=method in VOTES,
            weighs=method == VOTES[1],
            table=stored.get("table", {}),
            correlation=stored.get("correlation", 0.0),
            width=width,
        )

    def among(self, labels: Iterable[str]) -> Belief:
        """Of a wide question: the belief about one task on which these labels were named, in the classes' order."""
        named = sorted({label for label in labels if label in self.classes}, key=self.classes.index)
        classes = filled(named or self.classes[:1], self.width)
        return replace(self, classes=classes, prior=(1 / len(classes),) * len(classes), width=0)


@dataclass(frozen=True)
class Skill:
    """One worker at one question: a matrix where there is one, else the accuracy."""

    accuracy: float
    confusion: Sequence[Sequence[float]] | None = None


def posterior(votes: Sequence[tuple[int, Skill | None, float]], belief: Belief) -> list[float]:
    """Bayes' rule over one task's votes.

    Args:
        votes: (label, the worker's skill or None for one not seen before, weight): a weight of .5 counts half a vote.
        belief: The question's.

    Returns:
        One probability a class; they sum to 1.
    """
    said = [(weight, _logs(label, skill, belief)) for label, skill, weight in votes]
    logits = [  # each sum exact, or the order of the answers would decide where they tie
        fsum([weight * logs[truth] for weight, logs in said]) + log(max(chance, FLOOR))
        for truth, chance in enumerate(belief.prior)
    ]
    worth = 1 / (1 + max(sum(weight for _, _, weight in votes) - 1, 0) * belief.correlation)
    top = max(logits)
    weights = [exp((logit - top) * worth) for logit in logits]
    total = sum(weights)
    return [value / total for value in weights]


def shares(votes: Sequence[tuple[int, Skill | None, float]], belief: Belief) -> list[float]:
    """Each class's share of the votes, by their weights; all alike without a vote."""
    total = [0.0] * len(belief.classes)
    for label, skill, weight in votes:
        total[label] += weight * (skill.accuracy if skill and belief.weighs else 1.0)
    said = sum(total)
    return [value / said for value in total] if said else list(belief.prior)


def _logs(label: int, skill: Skill | None, belief: Belief) -> list[float]:
    """Of each class the logarithm of the chance that this worker says the label where the class is the truth."""
    matrix, width = belief.pooled if skill is None else skill.confusion, len(belief.classes)
    if matrix is not None and len(matrix) == width:
        return [log(max(row[label], FLOOR)) for row in matrix]
    right = belief.accuracy if skill is None else skill.accuracy
    logs = [log(max((1 - right) / max(width - 1, 1), FLOOR))] * width
    logs[label] = log(max(right, FLOOR))
    return logs
