"""What the fits of all statistics share: the judgments of one question as arrays, and what a fit says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, Said, combine
from labeling.questions import KINDS
from labeling.survey import Asked

DIGITS = 4


class Record(NamedTuple):
    task: int
    worker: int
    answers: Mapping[str, Any]


@dataclass(frozen=True)
class QuestionFit:
    """What a full fit says of one question.

    Attributes:
        stored: For ``Question.fit``: the belief that the update at each submit starts from, and the figures.
        skills: Worker -> {"accuracy", "confusion"} for WorkerSkill.
        said: Worker -> how many answers.
        tasks: Those with an answer.
        combined: Task -> its consensus.
    """

    stored: dict[str, Any]
    skills: dict[int, dict[str, Any]]
    said: dict[int, int]
    tasks: list[int]
    combined: Callable[[int], Combined]

    @cached_property
    def said_of(self) -> set[int]:
        """The same tasks, to look one up in."""
        return set(self.tasks)


@dataclass(eq=False)
class Answers:
    """One question's answers: task and worker numbers from 0, and what was said."""

    tasks: list[int]
    workers: list[int]
    task: np.ndarray
    worker: np.ndarray
    answer: list[Any]
    by_task: dict[int, list[Said]]
    beside: bool


def answers_of(key: str, judgments: Sequence[Record], weights: Mapping[int, float], beside: bool) -> Answers:
    rows = [(row.task, row.worker, row.answers[key]) for row in judgments if key in row.answers]
    tasks = sorted({task for task, _, _ in rows})
    workers = sorted({worker for _, worker, _ in rows})
    at_task = {task: index for index, task in enumerate(tasks)}
    at_worker = {worker: index for index, worker in enumerate(workers)}
    by_task: dict[int, list[Said]] = {}
    for task, worker, answer in rows:
        by_task.setdefault(task, []).append(Said(worker, answer, weights.get(worker, 1.0)))
    return Answers(
        tasks,
        workers,
        np.array([at_task[task] for task, _, _ in rows], dtype=np.int64),
        np.array([at_worker[worker] for _, worker, _ in rows], dtype=np.int64),
        [answer for _, _, answer in rows],
        by_task,
        beside,
    )


def recombined(
    question: Asked,
    statistic: str,
    classes: list[str],
    answers: Answers,
    stored: dict[str, Any],
    skills: dict[int, dict[str, Any]],
    method: str,
) -> QuestionFit:
    """Consensus by the same function that runs at each submit, with the new skills."""
    belief = Belief.read(stored, classes, method)
    unpacked = {
        worker: {**skill, **(skill["confusion"] if isinstance(skill["confusion"], Mapping) else {})}
        for worker, skill in skills.items()
    }

    def combined(task: int) -> Combined:
        found = combine(statistic, answers.by_task[task], scaled(question), belief, unpacked)
        assert found is not None
        return found

    return QuestionFit(stored, skills, said_by(answers), answers.tasks, combined)


def classes_of(question: Asked) -> list[str]:
    """The labels of a question's posterior; none where the kind has none."""
    return KINDS[question.kind].classes(question.options)


def scaled(question: Asked) -> dict[str, Any]:
    """The question's options; a rating's ends are always there for the aggregator."""
    if question.kind == "rating":
        return {"least": 1, "most": 5, **question.options, "scale": True}
    return question.options


def rounded(array: np.ndarray) -> Any:
    return np.round(array, DIGITS).tolist()


def said_counts(answers: Answers) -> np.ndarray:
    return np.bincount(answers.worker, minlength=len(answers.workers))


def said_by(answers: Answers) -> dict[int, int]:
    return dict(zip(answers.workers, said_counts(answers).tolist(), strict=True))


def number_or_none(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)
