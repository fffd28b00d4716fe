"""One question's judgments -> its crowd: who is how good, what each task's answer is, how far people agree.

Plain data in and out (no database), dispatched by the question kind's statistic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from labeling import agreement, stopping
from labeling.aggregation import AGGREGATORS, Votes, boxes, majority, numeric
from labeling.aggregation.belief import MOST_CLASSES, Belief
from labeling.aggregation.combine import Combined, Said, answer_of, combine, label_of
from labeling.aggregation.votes import UNKNOWN
from labeling.questions import CANT_TELL, KINDS
from labeling.survey import Asked

DIGITS = 4


class Record(NamedTuple):
    task: int
    worker: int
    answers: Mapping[str, Any]
    seconds: float | None


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

    @property
    def said_of(self) -> set[int]:
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


def fit_question(
    question: Asked,
    classes: list[str],
    judgments: Sequence[Record],
    known: Mapping[int, Any],
    weights: Mapping[int, float],
    method: str,
    *,
    beside: bool = True,
) -> QuestionFit | None:
    """Fit one question; None when nobody answered it. ``beside``: also what other methods say of each task."""
    answers = _answers(question.key, judgments, weights, beside)
    if not answers.tasks:
        return None
    return FITS[KINDS[question.kind].statistic](question, classes, answers, known, method)


def _answers(key: str, judgments: Sequence[Record], weights: Mapping[int, float], beside: bool) -> Answers:
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


def _by_class(
    question: Asked, classes: list[str], answers: Answers, known: Mapping[int, Any], method: str
) -> QuestionFit:
    votes = _votes(classes, answers, known)
    fit = AGGREGATORS[method](votes)
    counts = votes.counts()
    stored = {
        "method": method,
        "classes": classes,
        "prior": _rounded(fit.prior),
        "pooled": _rounded(fit.pooled) if len(classes) <= MOST_CLASSES else None,
        "accuracy": round(float(np.average(fit.accuracy, weights=_said(answers) + 1e-9)), DIGITS),
        "figures": class_figures(votes, counts, fit.label, classes),
        "table": stopping.as_table(stopping.confidence_table(counts, fit.label), classes),
        "fit": {"iterations": fit.iterations, "converged": fit.converged, **fit.details},
    }
    skills = {}
    for index, worker in enumerate(answers.workers):
        matrix = fit.confusion[index] if fit.confusion is not None and len(classes) <= MOST_CLASSES else None
        skills[worker] = {
            "accuracy": round(float(fit.accuracy[index]), DIGITS),
            "confusion": None if matrix is None else _rounded(matrix),
        }
    others = {name: AGGREGATORS[name](votes) for name in _others(method, len(votes)) if answers.beside}
    position = {task: index for index, task in enumerate(answers.tasks)}
    belief = Belief.read(stored, classes, method)

    def combined(task: int) -> Combined:
        said, index = answers.by_task[task], position[task]
        plain = combine("class", said, question.options, belief, skills)
        assert plain is not None
        if plain.answer == CANT_TELL:
            return plain
        views = {name: _view(other.posterior[index], classes, question.kind) for name, other in others.items()}
        if any(row.weight != 1 for row in said):
            return replace(plain, others=views)
        chosen = _view(fit.posterior[index], classes, question.kind)
        return Combined(chosen["answer"], chosen["confidence"], chosen["posterior"], len(said), plain.votes, views)

    return QuestionFit(stored, skills, _said_by(answers), answers.tasks, combined)


def _votes(classes: list[str], answers: Answers, known: Mapping[int, Any]) -> Votes:
    """The answers that name a class, and the tasks whose class is known."""
    number = {label: index for index, label in enumerate(classes)}
    label = np.array([number.get(label_of(answer), -1) for answer in answers.answer], dtype=np.int64)
    told = label >= 0
    gold = np.full(len(answers.tasks), UNKNOWN)
    for index, task in enumerate(answers.tasks):
        gold[index] = number.get(label_of(known[task]), UNKNOWN) if task in known else UNKNOWN
    sizes = len(answers.tasks), len(answers.workers), len(classes)
    return Votes(answers.task[told], answers.worker[told], label[told], *sizes, gold)


MOST_FOR_OTHERS = 300_000


def _others(method: str, votes: int) -> list[str]:
    """What is kept beside the project's own method: majority always, all where that is quickly done."""
    names = list(AGGREGATORS) if votes <= MOST_FOR_OTHERS else ["majority"]
    return [name for name in names if name != method]


def _view(posterior: np.ndarray, classes: list[str], kind: str) -> dict[str, Any]:
    best = int(np.argmax(posterior))
    shown = {label: round(float(p), 6) for label, p in zip(classes, posterior, strict=True) if p > 1e-6}
    return {"answer": answer_of(classes[best], kind), "confidence": float(posterior[best]), "posterior": shown}


def _rounded(array: np.ndarray) -> Any:
    return np.round(array, DIGITS).tolist()


def _said(answers: Answers) -> np.ndarray:
    return np.bincount(answers.worker, minlength=len(answers.workers))


def _said_by(answers: Answers) -> dict[int, int]:
    return dict(zip(answers.workers, _said(answers).tolist(), strict=True))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)


def class_figures(votes: Votes, counts: np.ndarray, answer: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """The agreement figures of a question with classes, JSON-able; None where the data cannot give one."""
    plain = majority.fit(votes).posterior
    top = plain.max(axis=1, keepdims=True) if len(plain) else plain
    tied = (plain >= top - 1e-9).sum(axis=1) > 1
    differs = agreement.disagreement(answer, np.argmax(plain, axis=1), tied)
    by_category = agreement.per_category(counts)
    matrix = agreement.confusion(counts, answer) if len(classes) <= MOST_CLASSES else None
    return {
        "tasks": votes.n_tasks,
        "judgments": len(votes),
        "percent": _number(agreement.percent(counts)),
        "cohen_kappa": _number(agreement.mean_cohen_kappa(votes.task, votes.worker, votes.label, len(classes))),
        "fleiss_kappa": _number(agreement.fleiss_kappa(counts)),
        "krippendorff_alpha": _number(agreement.krippendorff_alpha(counts)),
        "by_category": {name: _number(share) for name, share in zip(classes, by_category, strict=True)},
        "confusion": None if matrix is None else matrix.astype(int).tolist(),
        "differs_from_majority": round(differs, DIGITS),
        "warning": differs > WARN_ABOVE,
    }


WARN_ABOVE = 0.1


def _by_set(
    question: Asked, classes: list[str], answers: Answers, known: Mapping[int, Any], method: str
) -> QuestionFit:
    """Each (task, choice) is a yes-or-no task of the same workers; a worker's matrix is shared by all choices."""
    rows = [index for index, answer in enumerate(answers.answer) if isinstance(answer, list)]
    width = len(classes)
    chosen = np.array([[int(name in answers.answer[index]) for name in classes] for index in rows], dtype=np.int64)
    chosen = chosen.reshape(len(rows), width)
    task = (answers.task[rows][:, None] * width + np.arange(width)).reshape(-1)
    gold = np.full((len(answers.tasks), width), UNKNOWN)
    for index, number in enumerate(answers.tasks):
        if isinstance(known.get(number), list):
            gold[index] = [int(name in known[number]) for name in classes]
    votes = Votes(
        task,
        np.repeat(answers.worker[rows], width),
        chosen.reshape(-1),
        len(answers.tasks) * width,
        len(answers.workers),
        2,
        gold.reshape(-1),
    )
    fit = AGGREGATORS[method](votes)
    counts = votes.counts()
    share = fit.posterior[:, 1].reshape(-1, width).mean(axis=0)
    stored = {
        "method": method,
        "classes": classes,
        "prior": _rounded(np.clip(share, 0.01, 0.99)),
        "pooled": _rounded(fit.pooled),
        "accuracy": round(float(fit.accuracy.mean()), DIGITS),
        "figures": {
            "tasks": len(answers.tasks),
            "judgments": len(rows),
            "percent": _number(agreement.percent(counts)),
            "fleiss_kappa": _number(agreement.fleiss_kappa(counts)),
            "krippendorff_alpha": _number(agreement.krippendorff_alpha(counts)),
            "by_category": {
                name: _number(agreement.krippendorff_alpha(counts.reshape(-1, width, 2)[:, place]))
                for place, name in enumerate(classes)
            },
        },
    }
    skills = {
        worker: {
            "accuracy": round(float(fit.accuracy[index]), DIGITS),
            "confusion": None if fit.confusion is None else _rounded(fit.confusion[index]),
        }
        for index, worker in enumerate(answers.workers)
    }
    return _recombined(question, "set", classes, answers, stored, skills, method)


def _recombined(
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

    return QuestionFit(stored, skills, _said_by(answers), answers.tasks, combined)


def classes_of(question: Asked) -> list[str]:
    """The labels of a question's posterior; none where the kind has none."""
    return KINDS[question.kind].classes(question.options)


def scaled(question: Asked) -> dict[str, Any]:
    """The question's options; a rating's ends are always there for the aggregator."""
    if question.kind == "rating":
        return {"least": 1, "most": 5, **question.options, "scale": True}
    return question.options


def _by_median(
    question: Asked, classes: list[str], answers: Answers, known: Mapping[int, Any], method: str
) -> QuestionFit:
    told = np.array([isinstance(answer, int | float) for answer in answers.answer], dtype=bool)
    value = np.array([float(answer) if ok else 0.0 for answer, ok in zip(answers.answer, told, strict=True)])[told]
    task, worker = answers.task[told], answers.worker[told]
    fit = numeric.fit(task, worker, value, n_tasks=len(answers.tasks), n_workers=len(answers.workers))
    points, code = np.unique(value, return_inverse=True)
    figures: dict[str, Any] = {"tasks": len(answers.tasks), "judgments": int(told.sum())}
    if 1 < len(points) <= 1000:
        counts = agreement.counts_of(task, code.reshape(-1), len(answers.tasks), len(points))
        figures["percent"] = _number(agreement.percent(counts))
        metric: agreement.Metric = "ordinal" if question.kind == "rating" else "interval"
        figures["krippendorff_alpha"] = _number(agreement.krippendorff_alpha(counts, metric, points))
    stored = {
        "method": "numeric",
        "classes": classes,
        "prior": [],
        "pooled": None,
        "accuracy": 1.0,
        "spread": float(f"{fit.crowd_spread:.6g}"),
        "figures": figures,
    }
    skills = {
        person: {
            "accuracy": round(float(1 / (1 + (fit.spread[index] / fit.crowd_spread) ** 2)), DIGITS),
            "confusion": {"bias": float(f"{fit.bias[index]:.6g}"), "spread": float(f"{fit.spread[index]:.6g}")},
        }
        for index, person in enumerate(answers.workers)
    }
    return _recombined(question, "median", classes, answers, stored, skills, method)


def _by_text(
    question: Asked, classes: list[str], answers: Answers, known: Mapping[int, Any], method: str
) -> QuestionFit:
    """Texts have no skills of their own: a worker's accuracy is how often it wrote what most did."""
    stored = {"method": "plurality", "classes": classes, "prior": [], "pooled": None, "accuracy": 1.0}
    fit = _recombined(question, "text", classes, answers, stored, {}, method)
    agreed: dict[int, list[int]] = {}
    for task in answers.tasks:
        best = fit.combined(task).answer
        for row in answers.by_task[task]:
            agreed.setdefault(row.worker, []).append(int(_plain(row.answer) == _plain(best)))
    skills = {
        worker: {"accuracy": round(sum(right) / len(right), DIGITS), "confusion": None}
        for worker, right in agreed.items()
    }
    return QuestionFit(stored, skills, fit.said, fit.tasks, fit.combined)


def _plain(text: Any) -> str:
    return " ".join(str(text).casefold().split())


def _by_boxes(
    question: Asked, classes: list[str], answers: Answers, known: Mapping[int, Any], method: str
) -> QuestionFit:
    drawn = [
        [boxes.Drawn(row.worker, row.answer, row.weight) for row in answers.by_task[task] if row.answer != CANT_TELL]
        for task in answers.tasks
    ]
    hands = boxes.fit(drawn)
    ious = [boxes.fuse(image, hands).agreement for image in drawn if image]
    shared = [value for value in ious if not np.isnan(value)]
    stored = {
        "method": "boxes",
        "classes": classes,
        "prior": [],
        "pooled": None,
        "accuracy": 1.0,
        "figures": {
            "tasks": len(answers.tasks),
            "judgments": len(answers.answer),
            "mean_iou": _number(float(np.mean(shared))) if shared else None,
        },
    }
    skills = {
        worker: {
            "accuracy": round((hand.finds + 1 - hand.invents) / 2, DIGITS),
            "confusion": {"hand": {**hand.__dict__, "offset": list(hand.offset)}},
        }
        for worker, hand in hands.items()
    }
    return _recombined(question, "boxes", classes, answers, stored, skills, method)


FITS: dict[str, Callable[[Asked, list[str], Answers, Mapping[int, Any], str], QuestionFit]] = {
    "class": _by_class,
    "set": _by_set,
    "median": _by_median,
    "text": _by_text,
    "boxes": _by_boxes,
}
