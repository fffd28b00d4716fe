"""Numbers, ratings, texts and boxes: each by the model that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labeling.aggregation import Votes, boxes, numeric, slots
from labeling.consensus import agreement
from labeling.consensus.base import DIGITS, Answers, QuestionFit, number_or_none, recombined, scaled
from labeling.questions import CANT_TELL
from labeling.questions.text import plain
from labeling.surveys.survey import Asked


def _stored(question: Asked, method: str, figures: dict[str, Any]) -> dict[str, Any]:
    """A fit that knows no chances of classes."""
    empty = {"classes": question.classes, "prior": [], "pooled": None, "accuracy": 1.0}
    return {"method": method, **empty, "figures": figures}


def by_median(question: Asked, answers: Answers, known: Mapping[int, Any], method: str) -> QuestionFit:
    told = np.array([isinstance(answer, int | float) for answer in answers.answer], dtype=bool)
    value = np.array([float(answer) if ok else 0.0 for answer, ok in zip(answers.answer, told, strict=True)])[told]
    task, worker = answers.task[told], answers.worker[told]
    options = scaled(question)
    is_whole = bool(options.get("whole"))
    numbers: dict[str, Any] = {"n_tasks": len(answers.tasks), "n_workers": len(answers.workers)}
    expected = numeric.HALF if is_whole else 0.0
    if question.kind == "rating":
        expected = numeric.SHARE * (options["most"] - options["least"])
        numbers["ends"] = options["least"], options["most"]
    fit = numeric.fit(task, worker, value, **numbers, expected=expected)
    # Where no two have answered the same, and nothing is expected, nothing has shown how far people are apart.
    spread, crowd = fit.spread, fit.crowd_spread
    if not expected and len(np.unique(task)) == len(task):
        spread, crowd = np.zeros_like(spread), 0.0
    percent, alpha = agreement.of_numbers(task, value, is_ordinal=question.kind == "rating")
    figures = {
        "tasks": len(answers.tasks),
        "judgments": int(told.sum()),
        "percent": number_or_none(percent),
        "krippendorff_alpha": number_or_none(alpha),
    }
    stored = {**_stored(question, "numeric", figures), "spread": float(f"{crowd:.6g}")}
    if question.kind == "rating":
        accuracy = numeric.on_step(fit.spread)
    else:
        accuracy = numeric.near(fit, task, worker, value, numeric.tolerance(fit.value[task], is_whole))
    skills = {
        person: {
            "accuracy": round(float(accuracy[index]), DIGITS),
            "confusion": {"bias": float(f"{fit.bias[index]:.6g}"), "spread": float(f"{spread[index]:.6g}")},
        }
        for index, person in enumerate(answers.workers)
    }
    return recombined(question, answers, stored, skills, method)


def by_text(question: Asked, answers: Answers, known: Mapping[int, Any], method: str) -> QuestionFit:
    """Texts have no skills of their own: a worker's accuracy is how often it wrote what most did."""
    stored = _stored(question, "plurality", _text_figures(answers))
    fit = recombined(question, answers, stored, {}, method)
    agreed: dict[int, list[int]] = {}
    for task in answers.tasks:
        best = fit.combined(task).answer
        for row in answers.by_task[task]:
            if row.weight == 0:
                continue
            agreed.setdefault(row.worker, []).append(int(plain(row.answer) == plain(best)))
    skills = {
        worker: {"accuracy": round(sum(right) / len(right), DIGITS), "confusion": None}
        for worker, right in agreed.items()
    }
    return QuestionFit(stored, skills, fit.said, fit.tasks, fit.combined)


def _text_figures(answers: Answers) -> dict[str, Any]:
    """How far people agree on the texts, as ``plain`` tells them apart."""
    told = np.array([answer != CANT_TELL for answer in answers.answer], dtype=bool)
    number: dict[str, int] = {}
    texts = (plain(answer) for answer, is_told in zip(answers.answer, told, strict=True) if is_told)
    label = [number.setdefault(text, len(number)) for text in texts]
    votes = Votes.of(answers.task[told], answers.worker[told], label, n_tasks=len(answers.tasks))
    counts = slots.slotted(votes).votes.counts()
    kappa, alpha, _by_text = agreement.sparse(votes.task, votes.label, counts, votes.n_classes)
    return {
        "tasks": votes.n_tasks,
        "judgments": len(votes),
        "percent": number_or_none(agreement.percent(counts)),
        "fleiss_kappa": number_or_none(kappa),
        "krippendorff_alpha": number_or_none(alpha),
    }


def by_boxes(question: Asked, answers: Answers, known: Mapping[int, Any], method: str) -> QuestionFit:
    drawn = [
        [
            boxes.Drawn(row.worker, row.answer, row.weight)
            for row in answers.by_task[task]
            if row.answer != CANT_TELL and row.weight > 0
        ]
        for task in answers.tasks
    ]
    hands = boxes.fit(drawn)
    fused = [boxes.fuse(image, hands) for image in drawn if len(image) > 1]  # one person agrees with nobody
    shared = [one.agreement for one in fused if not np.isnan(one.agreement)]
    by_category: dict[str, list[float]] = {}
    for one in fused:
        for category, share in one.by_category.items():
            by_category.setdefault(category, []).append(share)
    figures = {
        "tasks": len(answers.tasks),
        "judgments": sum(map(len, drawn)),
        "mean_iou": number_or_none(float(np.mean(shared))) if shared else None,
        "by_category": {name: number_or_none(float(np.mean(share))) for name, share in sorted(by_category.items())},
    }
    stored = _stored(question, "boxes", figures)
    skills = {
        worker: {
            "accuracy": round((hand.finds + 1 - hand.invents) / 2, DIGITS),
            "confusion": {"hand": {**hand.__dict__, "offset": list(hand.offset)}},
        }
        for worker, hand in hands.items()
    }
    return recombined(question, answers, stored, skills, method)
