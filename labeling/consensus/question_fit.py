"""One question's judgments -> its crowd: who is how good, what each task's answer is, how far people agree.

Plain data in and out (no database), dispatched by the question kind's statistic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from labeling.consensus.base import Answers, Judgments, QuestionFit, answers_of
from labeling.consensus.classes import by_class, by_set
from labeling.consensus.freeform import by_boxes, by_median, by_text
from labeling.surveys.survey import Asked

FITS: dict[str, Callable[[Asked, Answers, Mapping[int, Any], str], QuestionFit]] = {
    "class": by_class,
    "set": by_set,
    "median": by_median,
    "text": by_text,
    "boxes": by_boxes,
}


def fit_question(
    question: Asked,
    judgments: Judgments,
    known: Mapping[int, Any],
    weights: Mapping[int, float],
    method: str,
    *,
    beside: bool = True,
    hidden: Set[int] = frozenset(),
    checks: Set[int] = frozenset(),
) -> QuestionFit | None:
    """Fit one question; None when nobody answered it.

    Args:
        judgments: All of the project.
        known: Task -> its known answer.
        weights: Worker -> how much its votes count, where that is not 1.
        method: A name of AGGREGATORS.
        beside: Also what other methods say of each task.
        hidden: Those of ``known`` that were answered like any other task, and so show how far the crowd is right.
        checks: Those that say whether the method is right where it leaves the majority, and nothing more.
    """
    answers = answers_of(question.key, judgments, weights, beside, hidden, checks)
    if not answers.tasks:
        return None
    return FITS[question.statistic](question, answers, known, method)
