"""What the fits of all statistics share: the judgments of one question as arrays, and what a fit says of it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np

from labeling.aggregation import AGGREGATORS
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, Said, answer_of, combine
from labeling.surveys.survey import Asked

DIGITS = 4
LONG_TEXT = 100
MOST_FOR_OTHERS = 300_000
WARN_ABOVE = 0.1  # share of labels that are not the majority's


class Column:
    """The answers to one question, as they were read: numbers in arrays, and each distinct answer held once."""

    def __init__(self) -> None:
        self.task, self.worker = array("q"), array("q")
        self.answer: list[Any] = []
        self._known: dict[Any, Any] = {}

    def add(self, task: int, worker: int, answer: Any) -> None:
        self.task.append(task)
        self.worker.append(worker)
        self.answer.append(self._known.setdefault(key, answer) if (key := _identity(answer)) else answer)

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        return zip(self.task, self.worker, self.answer, strict=True)


def _identity(answer: Any) -> Any:
    """What two equal answers share (1 is not true); None where hardly any two are equal: boxes, long texts."""
    if isinstance(answer, list):
        return tuple(answer) if all(isinstance(entry, str) for entry in answer) else None
    if isinstance(answer, str):
        return answer if 0 < len(answer) <= LONG_TEXT else None
    return (type(answer), answer) if isinstance(answer, bool | int | float) else None


class Judgments:
    """All judgments of a project by question. A million of them with one choice each take some 30 MB."""

    def __init__(self) -> None:
        self._columns: dict[str, Column] = {}

    def add(self, task: int, worker: int, answers: Mapping[str, Any]) -> None:
        for key, answer in answers.items():
            if key not in self._columns:
                self._columns[key] = Column()
            self._columns[key].add(task, worker, answer)

    def of(self, key: str) -> Column:
        return self._columns.get(key) or Column()

    def drop(self, key: str, tasks: Set[int]) -> None:
        """Without what was said of these tasks at this question."""
        kept = Column()
        for task, worker, answer in self.of(key):
            if task not in tasks:
                kept.add(task, worker, answer)
        self._columns[key] = kept


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


class ByTask:
    """What was said of a task, in the order in which it was said, made when it is asked for."""

    def __init__(self, tasks: list[int], task: np.ndarray, column: Column, weights: Mapping[int, float]) -> None:
        self._place = {number: index for index, number in enumerate(tasks)}
        self._order = np.argsort(task, kind="stable")
        self._starts = np.searchsorted(task[self._order], np.arange(len(tasks) + 1))
        self._column, self._weights = column, weights

    def __getitem__(self, task: int) -> list[Said]:
        place = self._place[task]
        rows = self._order[self._starts[place] : self._starts[place + 1]].tolist()
        worker, answer = self._column.worker, self._column.answer
        return [Said(worker[row], answer[row], self._weights.get(worker[row], 1.0)) for row in rows]


@dataclass(eq=False)
class Answers:
    """One question's answers: task and worker numbers from 0, what was said, which tasks are hidden gold or checks.

    Of who counts for nothing there are the tasks alone, and what was said in ``by_task``: no crowd is learned from
    them, unless there is nobody else.
    """

    tasks: list[int]
    workers: list[int]
    task: np.ndarray
    worker: np.ndarray
    answer: list[Any]
    by_task: ByTask
    beside: bool
    hidden: Set[int]
    checks: Set[int]


def answers_of(
    key: str,
    judgments: Judgments,
    weights: Mapping[int, float],
    beside: bool,
    hidden: Set[int],
    checks: Set[int] = frozenset(),
) -> Answers:
    column = judgments.of(key)
    tasks, task = np.unique(np.array(column.task, dtype=np.int64), return_inverse=True)
    names, by_task = tasks.tolist(), ByTask(tasks.tolist(), task, column, weights)
    silent = [worker for worker, weight in weights.items() if weight == 0]
    heard = ~np.isin(np.array(column.worker, dtype=np.int64), silent)
    heard |= not heard.any()
    workers, worker = np.unique(np.array(column.worker, dtype=np.int64)[heard], return_inverse=True)
    said = column.answer if heard.all() else list(compress(column.answer, heard.tolist()))
    return Answers(names, workers.tolist(), task[heard], worker, said, by_task, beside, hidden, checks)


def recombined(
    question: Asked, answers: Answers, stored: dict[str, Any], skills: dict[int, dict[str, Any]], method: str
) -> QuestionFit:
    """Consensus by the same function that runs at each submit, with the new skills."""
    belief = Belief.read(stored, question.classes, method)
    known = {worker: unpacked(skill["accuracy"], skill["confusion"]) for worker, skill in skills.items()}

    def combined(task: int) -> Combined:
        found = combine(question.statistic, answers.by_task[task], scaled(question), belief, known)
        assert found is not None
        return found

    return QuestionFit(stored, skills, said_by(answers), answers.tasks, combined)


def unpacked(accuracy: float, confusion: Any) -> dict[str, Any]:
    """A WorkerSkill row as ``labeling.aggregation.combine`` reads it: a matrix, or named numbers for other kinds."""
    if isinstance(confusion, Mapping):
        return {"accuracy": accuracy, **confusion}
    return {"accuracy": accuracy, "confusion": confusion}


def others_beside(method: str, answers: Answers) -> list[str]:
    """What is kept beside the project's own method: majority always, all where that is quickly done."""
    names = list(AGGREGATORS) if len(answers.answer) <= MOST_FOR_OTHERS else ["majority"]
    return [name for name in names if name != method and answers.beside]


def view_of(posterior: np.ndarray, classes: Sequence[str], kind: str) -> dict[str, Any]:
    """One method's word on one task, of a posterior [classes]: the answer, how sure, the chances of these classes."""
    best = int(np.argmax(posterior))
    shown = {label: round(float(p), 6) for label, p in zip(classes, posterior, strict=True) if p > 1e-6}
    return {"answer": answer_of(classes[best], kind), "confidence": float(posterior[best]), "posterior": shown}


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
