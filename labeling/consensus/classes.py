"""Questions with classes, and sets of choices: the aggregators of ``labeling.aggregation`` on their votes."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from labeling.aggregation import AGGREGATORS, Votes, majority, slots
from labeling.aggregation.belief import MOST_CLASSES, Belief
from labeling.aggregation.combine import Combined, combine, label_of
from labeling.aggregation.votes import UNKNOWN
from labeling.consensus import agreement, stopping, wide
from labeling.consensus.base import (
    DIGITS,
    WARN_ABOVE,
    Answers,
    QuestionFit,
    number_or_none,
    others_beside,
    recombined,
    rounded,
    said_by,
    said_counts,
    view_of,
)
from labeling.questions import CANT_TELL
from labeling.surveys.survey import Asked

MOST_VOTES = 5_000_000  # on choices: with a hundred of them, fifty thousand answers; some GB while they are fitted


def by_class(question: Asked, answers: Answers, known: Mapping[int, Any], method: str) -> QuestionFit:
    classes = question.classes
    votes = _votes(classes, answers, known)
    if slots.is_wide(votes):
        return wide.by_slot(question, answers, slots.slotted(votes), votes.label, method)
    fit = AGGREGATORS[method](votes)
    counts = votes.counts()
    stored = {
        "method": method,
        "classes": classes,
        "prior": rounded(fit.prior),
        "pooled": rounded(fit.pooled) if len(classes) <= MOST_CLASSES else None,
        "accuracy": round(float(np.average(fit.accuracy, weights=said_counts(answers) + 1e-9)), DIGITS),
        "correlation": fit.details.get("correlation", 0.0),
        "figures": {**class_figures(votes, counts, fit.label, classes), "gold": fit.details.get("gold")},
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
    others = {name: AGGREGATORS[name](votes) for name in others_beside(method, answers)}
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
    hidden, checks = (_among(answers, uses) & (gold != UNKNOWN) for uses in (answers.hidden, answers.checks))
    return Votes(answers.task[told], answers.worker[told], label[told], *sizes, gold, hidden, checks)


def _among(answers: Answers, some: Set[int]) -> np.ndarray:
    """[tasks]: which are of these."""
    return np.array([task in some for task in answers.tasks], dtype=bool)


def class_figures(votes: Votes, counts: np.ndarray, answer: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """The agreement figures of a question with classes, JSON-able; None where the data cannot give one."""
    plain = majority.fit(votes).posterior
    top = plain.max(axis=1, keepdims=True) if len(plain) else plain
    tied = (plain >= top - 1e-9).sum(axis=1) > 1
    differs = agreement.disagreement(answer, np.argmax(plain, axis=1), tied | (votes.known != UNKNOWN))
    by_category = agreement.per_category(counts)
    matrix = agreement.confusion(counts, answer) if len(classes) <= MOST_CLASSES else None
    return {
        "tasks": votes.n_tasks,
        "judgments": len(votes),
        "percent": number_or_none(agreement.percent(counts)),
        "cohen_kappa": number_or_none(agreement.mean_cohen_kappa(votes.task, votes.worker, votes.label)),
        "fleiss_kappa": number_or_none(agreement.fleiss_kappa(counts)),
        "krippendorff_alpha": number_or_none(agreement.krippendorff_alpha(counts)),
        "by_category": {name: number_or_none(share) for name, share in zip(classes, by_category, strict=True)},
        "confusion": None if matrix is None else matrix.astype(int).tolist(),
        "differs_from_majority": round(differs, DIGITS),
        "warning": differs > WARN_ABOVE,
    }


def by_set(question: Asked, answers: Answers, known: Mapping[int, Any], method: str) -> QuestionFit:
    """Each (task, choice) is a yes-or-no task of the same workers; a worker's matrix is shared by all choices.

    Where that would be too many votes, the crowd is learned, and its agreement told, from some of the tasks.
    """
    classes = question.classes
    some = _some(answers, len(answers.answer) * min(len(classes), slots.MANY), known)
    rows = [index for index, answer in enumerate(some.answer) if isinstance(answer, list)]
    pairs = _pairs(classes, some, rows, known)
    choice = pairs % len(classes)
    votes = _choice_votes(classes, some, rows, pairs, known)
    fit = AGGREGATORS[method](votes)
    share = np.bincount(choice, weights=fit.posterior[:, 1], minlength=len(classes)) / len(some.tasks)
    if len(classes) > slots.MANY:  # how often a choice that somebody named is right: of one alone nobody knows
        share = np.full(len(classes), fit.posterior[:, 1].mean() if len(pairs) else 0.5)
    stored = {
        "method": method,
        "classes": classes,
        "prior": rounded(np.clip(share, 0.01, 0.99)),
        "pooled": rounded(fit.pooled),
        "accuracy": round(float(fit.accuracy.mean()), DIGITS),
        "correlation": fit.details.get("correlation", 0.0),
        "figures": {
            "tasks": len(answers.tasks),
            "judgments": sum(isinstance(answer, list) for answer in answers.answer),
            **_set_figures(votes.counts(), choice, classes),
        },
    }
    skills = {
        worker: {
            "accuracy": round(float(fit.accuracy[index]), DIGITS),
            "confusion": None if fit.confusion is None else rounded(fit.confusion[index]),
        }
        for index, worker in enumerate(answers.workers)
    }
    return recombined(question, answers, stored, skills, method)


def _some(answers: Answers, votes: int, known: Mapping[int, Any]) -> Answers:
    """The answers to so many tasks, drawn by chance, that about MOST_VOTES of the ``votes`` remain; and to all gold."""
    if votes <= MOST_VOTES:
        return answers
    chosen = np.random.default_rng(0).random(len(answers.tasks)) * votes < MOST_VOTES
    chosen |= np.array([task in known for task in answers.tasks])
    kept = chosen[answers.task]
    return replace(
        answers,
        tasks=[task for task, is_chosen in zip(answers.tasks, chosen, strict=True) if is_chosen],
        task=(chosen.cumsum() - 1)[answers.task[kept]],
        worker=answers.worker[kept],
        answer=[answers.answer[row] for row in np.flatnonzero(kept)],
    )


def _pairs(classes: list[str], answers: Answers, rows: list[int], known: Mapping[int, Any]) -> np.ndarray:
    """int [pairs], rising: ``task * len(classes) + choice``, of every choice; of very many only those that somebody
    chose there, since what nobody named is no question."""
    width = len(classes)
    if width <= slots.MANY:
        return np.arange(len(answers.tasks) * width)
    number = {name: index for index, name in enumerate(classes)}
    chosen = [(answers.task[index], answers.answer[index]) for index in rows]
    chosen += [(index, known[task]) for index, task in enumerate(answers.tasks) if isinstance(known.get(task), list)]
    named = [task * width + number[name] for task, names in chosen for name in names if name in number]
    return np.unique(np.array(named, dtype=np.int64))


def _choice_votes(
    classes: list[str], answers: Answers, rows: list[int], pairs: np.ndarray, known: Mapping[int, Any]
) -> Votes:
    """The sets at these rows as votes, yes (1) or no (0), on tasks numbered as the pairs lie."""
    width = len(classes)
    starts = np.searchsorted(pairs, np.arange(len(answers.tasks) + 1) * width)
    names = [[classes[pair % width] for pair in pairs[low:high].tolist()] for low, high in pairwise(starts.tolist())]
    count = np.diff(starts)[answers.task[rows]]
    chosen = [int(name in answers.answer[index]) for index in rows for name in names[answers.task[index]]]
    first = np.repeat(starts[answers.task[rows]] - (np.cumsum(count) - count), count)
    gold = np.full(len(pairs), UNKNOWN)
    for index, number in enumerate(answers.tasks):
        if isinstance(known.get(number), list):
            gold[starts[index] : starts[index + 1]] = [int(name in known[number]) for name in names[index]]
    return Votes(
        first + np.arange(len(chosen)),
        np.repeat(answers.worker[rows], count),
        np.array(chosen, dtype=np.int64),
        len(pairs),
        len(answers.workers),
        2,
        gold,
        (gold != UNKNOWN) & _among(answers, answers.hidden)[pairs // width],
    )


def _set_figures(counts: np.ndarray, choice: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """How far people agree on the choices, all together and each; ``counts`` [pairs, 2], ``choice`` [pairs]."""
    order = np.argsort(choice, kind="stable")
    used, starts = np.unique(choice[order], return_index=True)
    each = np.split(counts[order], starts[1:])
    return {
        "percent": number_or_none(agreement.percent(counts)),
        "fleiss_kappa": number_or_none(agreement.fleiss_kappa(counts)),
        "krippendorff_alpha": number_or_none(agreement.krippendorff_alpha(counts)),
        "by_category": {
            classes[place]: number_or_none(float(agreement.per_category(mine)[1]))  # of who chooses it, as of classes
            for place, mine in zip(used.tolist(), each, strict=True)
        },
    }
