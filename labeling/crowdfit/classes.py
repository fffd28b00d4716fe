"""Questions with classes, and sets of choices: the aggregators of ``labeling.aggregation`` on their votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from labeling import agreement, stopping
from labeling.aggregation import AGGREGATORS, Votes, majority
from labeling.aggregation.belief import MOST_CLASSES, Belief
from labeling.aggregation.combine import Combined, answer_of, combine, label_of
from labeling.aggregation.votes import UNKNOWN
from labeling.crowdfit.base import (
    DIGITS,
    Answers,
    QuestionFit,
    number_or_none,
    recombined,
    rounded,
    said_by,
    said_counts,
)
from labeling.questions import CANT_TELL
from labeling.survey import Asked

MOST_FOR_OTHERS = 300_000
WARN_ABOVE = 0.1


def by_class(
    question: Asked, classes: list[str], answers: Answers, known: Mapping[int, Any], method: str
) -> QuestionFit:
    votes = _votes(classes, answers, known)
    fit = AGGREGATORS[method](votes)
    counts = votes.counts()
    stored = {
        "method": method,
        "classes": classes,
        "prior": rounded(fit.prior),
        "pooled": rounded(fit.pooled) if len(classes) <= MOST_CLASSES else None,
        "accuracy": round(float(np.average(fit.accuracy, weights=said_counts(answers) + 1e-9)), DIGITS),
        "correlation": fit.details.get("correlation", 0.0),
        "figures": class_figures(votes, counts, fit.label, classes),
        "table": stopping.as_table(stopping.confidence_table(counts, fit.label), classes),
        "fit": {"iterations": fit.iterations, "converged": fit.converged, **fit.details},
    }
    skills = {}
    for index, worker in enumerate(answers.workers):
        matrix = fit.confusion[index] if fit.confusion is not None and len(classes) <= MOST_CLASSES else None
        skills[worker] = {
            "accuracy": round(float(fit.accuracy[index]), DIGITS),
            "confusion": None if matrix is None else rounded(matrix),
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
        views = {name: view_of(other.posterior[index], classes, question.kind) for name, other in others.items()}
        if any(row.weight != 1 for row in said):
            return replace(plain, others=views)
        chosen = view_of(fit.posterior[index], classes, question.kind)
        return Combined(chosen["answer"], chosen["confidence"], chosen["posterior"], len(said), plain.votes, views)

    return QuestionFit(stored, skills, said_by(answers), answers.tasks, combined)


def _votes(classes: list[str], answers: Answers, known: Mapping[int, Any]) -> Votes:
    """The answers that name a class, and the tasks whose class is known."""
    number = {label: index for index, label in enumerate(classes)}
    label = np.array([number.get(label_of(answer), -1) for answer in answers.answer], dtype=np.int64)
    told = label >= 0
    gold = np.full(len(answers.tasks), UNKNOWN)
    for index, task in enumerate(answers.tasks):
        gold[index] = number.get(label_of(known[task]), UNKNOWN) if task in known else UNKNOWN
    sizes = len(answers.tasks), len(answers.workers), len(classes)
    hidden = _hidden(answers) & (gold != UNKNOWN)
    return Votes(answers.task[told], answers.worker[told], label[told], *sizes, gold, hidden)


def _hidden(answers: Answers) -> np.ndarray:
    """[tasks]: which are gold that hides among real tasks."""
    return np.array([task in answers.hidden for task in answers.tasks], dtype=bool)


def _others(method: str, votes: int) -> list[str]:
    """What is kept beside the project's own method: majority always, all where that is quickly done."""
    names = list(AGGREGATORS) if votes <= MOST_FOR_OTHERS else ["majority"]
    return [name for name in names if name != method]


def view_of(posterior: np.ndarray, classes: list[str], kind: str) -> dict[str, Any]:
    best = int(np.argmax(posterior))
    shown = {label: round(float(p), 6) for label, p in zip(classes, posterior, strict=True) if p > 1e-6}
    return {"answer": answer_of(classes[best], kind), "confidence": float(posterior[best]), "posterior": shown}


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
        "percent": number_or_none(agreement.percent(counts)),
        "cohen_kappa": number_or_none(agreement.mean_cohen_kappa(votes.task, votes.worker, votes.label, len(classes))),
        "fleiss_kappa": number_or_none(agreement.fleiss_kappa(counts)),
        "krippendorff_alpha": number_or_none(agreement.krippendorff_alpha(counts)),
        "by_category": {name: number_or_none(share) for name, share in zip(classes, by_category, strict=True)},
        "confusion": None if matrix is None else matrix.astype(int).tolist(),
        "differs_from_majority": round(differs, DIGITS),
        "warning": differs > WARN_ABOVE,
    }


def by_set(question: Asked, classes: list[str], answers: Answers, known: Mapping[int, Any], method: str) -> QuestionFit:
    """Each (task, choice) is a yes-or-no task of the same workers; a worker's matrix is shared by all choices."""
    rows = [index for index, answer in enumerate(answers.answer) if isinstance(answer, list)]
    votes = _choice_votes(classes, answers, rows, known)
    fit = AGGREGATORS[method](votes)
    share = fit.posterior[:, 1].reshape(-1, len(classes)).mean(axis=0)
    stored = {
        "method": method,
        "classes": classes,
        "prior": rounded(np.clip(share, 0.01, 0.99)),
        "pooled": rounded(fit.pooled),
        "accuracy": round(float(fit.accuracy.mean()), DIGITS),
        "correlation": fit.details.get("correlation", 0.0),
        "figures": {
            "tasks": len(answers.tasks),
            "judgments": len(rows),
            **_set_figures(votes.counts(), classes),
        },
    }
    skills = {
        worker: {
            "accuracy": round(float(fit.accuracy[index]), DIGITS),
            "confusion": None if fit.confusion is None else rounded(fit.confusion[index]),
        }
        for index, worker in enumerate(answers.workers)
    }
    return recombined(question, "set", classes, answers, stored, skills, method)


def _choice_votes(classes: list[str], answers: Answers, rows: list[int], known: Mapping[int, Any]) -> Votes:
    """The sets at these rows as votes, yes (1) or no (0), on tasks numbered ``task * len(classes) + choice``."""
    width = len(classes)
    chosen = np.array([[int(name in answers.answer[index]) for name in classes] for index in rows], dtype=np.int64)
    task = (answers.task[rows][:, None] * width + np.arange(width)).reshape(-1)
    gold = np.full((len(answers.tasks), width), UNKNOWN)
    for index, number in enumerate(answers.tasks):
        if isinstance(known.get(number), list):
            gold[index] = [int(name in known[number]) for name in classes]
    return Votes(
        task,
        np.repeat(answers.worker[rows], width),
        chosen.reshape(-1),
        len(answers.tasks) * width,
        len(answers.workers),
        2,
        gold.reshape(-1),
        ((gold != UNKNOWN) & _hidden(answers)[:, None]).reshape(-1),
    )


def _set_figures(counts: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """How far people agree on the choices, all together and each; ``counts`` [tasks * choices, 2]."""
    by_choice = counts.reshape(-1, len(classes), 2)
    return {
        "percent": number_or_none(agreement.percent(counts)),
        "fleiss_kappa": number_or_none(agreement.fleiss_kappa(counts)),
        "krippendorff_alpha": number_or_none(agreement.krippendorff_alpha(counts)),
        "by_category": {
            name: number_or_none(agreement.krippendorff_alpha(by_choice[:, place]))
            for place, name in enumerate(classes)
        },
    }
