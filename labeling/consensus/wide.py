"""Questions with very many categories: the same aggregators, on the labels that were named at each task (``slots``).

Nothing here is of the size of tasks times categories. The confidence table of ImageNet's policy is learned for the
categories of the tasks that were asked often, as many as fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from labeling.aggregation import AGGREGATORS, majority
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, combine
from labeling.aggregation.slots import MOST_CELLS, Slots
from labeling.aggregation.votes import UNKNOWN, Ints
from labeling.consensus import agreement, stopping
from labeling.consensus.base import (
    DIGITS,
    WARN_ABOVE,
    Answers,
    QuestionFit,
    number_or_none,
    others_beside,
    said_by,
    said_counts,
    view_of,
)
from labeling.questions import CANT_TELL
from labeling.surveys.survey import Asked


def by_slot(question: Asked, answers: Answers, slots: Slots, label: Ints, method: str) -> QuestionFit:
    """The fit of a wide question; ``label`` [judgments], the class of each vote.

    ``stored`` has no prior and no matrices: of so many categories nobody knows them.
    """
    votes, classes = slots.votes, question.classes
    fit = AGGREGATORS[method](votes)
    others = {name: AGGREGATORS[name](votes) for name in others_beside(method, answers)}
    answer = slots.label[np.arange(votes.n_tasks), _named(slots, fit.posterior).argmax(axis=1)]
    stored = {
        "method": method,
        "classes": [],
        "prior": [],
        "pooled": None,
        "width": slots.width,
        "accuracy": round(float(np.average(fit.accuracy, weights=said_counts(answers) + 1e-9)), DIGITS),
        "correlation": fit.details.get("correlation", 0.0),
        "figures": {**_figures(slots, label, answer, classes), "gold": fit.details.get("gold")},
        "table": _table(slots, label, answer, classes),
        "fit": {"iterations": fit.iterations, "converged": fit.converged, **fit.details},
    }
    skills = {
        worker: {"accuracy": round(float(fit.accuracy[index]), DIGITS), "confusion": None}
        for index, worker in enumerate(answers.workers)
    }
    position = {task: index for index, task in enumerate(answers.tasks)}
    belief = Belief.read(stored, classes, method)

    def view(posterior: np.ndarray, index: int) -> dict[str, Any]:
        at = np.flatnonzero(slots.label[index] != UNKNOWN)
        at = at[np.argsort(slots.label[index, at])]  # of several as probable the first category is the answer
        return view_of(posterior[index, at], [classes[number] for number in slots.label[index, at]], question.kind)

    def combined(task: int) -> Combined:
        said, index = answers.by_task[task], position[task]
        plain = combine("class", said, question.options, belief, skills)
        assert plain is not None
        if plain.answer == CANT_TELL or (slots.label[index] == UNKNOWN).all():
            return plain
        views = {name: view(other.posterior, index) for name, other in others.items()}
        if any(row.weight != 1 for row in said):
            return replace(plain, others=views)
        chosen = view(fit.posterior, index)
        return Combined(chosen["answer"], chosen["confidence"], chosen["posterior"], len(said), plain.votes, views)

    return QuestionFit(stored, skills, said_by(answers), answers.tasks, combined)


def _named(slots: Slots, posterior: np.ndarray) -> np.ndarray:
    """[tasks, width]: the posterior, below zero in empty slots."""
    return np.where(slots.label == UNKNOWN, -1.0, posterior)


def _figures(slots: Slots, label: Ints, answer: Ints, classes: list[str]) -> dict[str, Any]:
    """As of any question with classes, but for the confusion between categories, which has no place."""
    votes, counts = slots.votes, slots.votes.counts()
    plain = _named(slots, majority.fit(votes).posterior)
    tied = (plain >= plain.max(axis=1, keepdims=True) - 1e-9).sum(axis=1) > 1
    differs = agreement.disagreement(
        answer, slots.label[np.arange(len(plain)), plain.argmax(axis=1)], tied | (votes.known != UNKNOWN)
    )
    kappa, alpha, by_category = agreement.sparse(votes.task, label, counts, len(classes))
    return {
        "tasks": votes.n_tasks,
        "judgments": len(votes),
        "percent": number_or_none(agreement.percent(counts)),
        "cohen_kappa": number_or_none(agreement.mean_cohen_kappa(votes.task, votes.worker, label)),
        "fleiss_kappa": number_or_none(kappa),
        "krippendorff_alpha": number_or_none(alpha),
        "by_category": {
            classes[number]: float(by_category[number]) for number in np.flatnonzero(~np.isnan(by_category))
        },
        "confusion": None,
        "differs_from_majority": round(differs, DIGITS),
        "warning": differs > WARN_ABOVE,
    }


def _table(slots: Slots, label: Ints, answer: Ints, classes: list[str]) -> dict[str, dict[str, float]]:
    """ImageNet's confidence table, for the categories that were named at tasks with enough votes to learn from."""
    task = slots.votes.task
    often = np.flatnonzero(np.bincount(task, minlength=len(answer)) >= stopping.SAMPLE)
    mine = np.isin(task, often)
    used, place = np.unique(np.concatenate([label[mine], answer[often]]), return_inverse=True)
    if not len(used) or len(often) * len(used) > MOST_CELLS:
        return {}
    rows = np.searchsorted(often, task[mine])
    counts = agreement.counts_of(rows, place[: len(rows)], len(often), len(used))
    table = stopping.confidence_table(counts, place[len(rows) :])
    return stopping.as_table(table, [classes[number] for number in used])
