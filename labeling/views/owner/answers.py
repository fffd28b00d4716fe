"""Answers as a person reads them, and the judgments of a task side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labeling.errors import CrowdtuneError
from labeling.forms.settings import AGGREGATOR_NAMES
from labeling.models import Consensus, Judgment, Project, Question
from labeling.questions import CANT_TELL
from labeling.questions.text import plain
from labeling.text import bodies

Names = Mapping[str, str]
MOST_LABELS = 200  # to choose from in a filter

# What made a label, as the rows name it.
METHODS: dict[str, str | Promise] = {
    **AGGREGATOR_NAMES,
    "adaptive": gettext_lazy("Adaptive"),
    "numeric": gettext_lazy("Weighted mean"),
    "plurality": gettext_lazy("Most frequent answer"),
    "boxes": gettext_lazy("Fused boxes"),
    "three_stage_boxes": gettext_lazy("Boxes in three stages"),
    "model": gettext_lazy("The model"),
}


def say_method(consensus: Consensus) -> str:
    return str(METHODS.get(consensus.method, consensus.method))


@dataclass(frozen=True)
class Side:
    """One distinct answer to a question, who gave it, and whether it is the consensus."""

    answer: Any
    text: str
    judgments: list[Judgment]
    share: float
    is_consensus: bool

    @property
    def as_json(self) -> str:
        return json.dumps(self.answer)


def read_all(text: str) -> dict[str, Any]:
    """Answers by question, as a button of ours carries them."""
    answers = read(text)
    if not isinstance(answers, dict):
        raise CrowdtuneError("bad_answer", _("Expected an answer of this page; choose one of its buttons."))
    return answers


def read(text: str) -> Any:
    """An answer, as a button of ours carries it."""
    try:
        return bodies.loads(text)
    except ValueError as error:
        raise CrowdtuneError("bad_answer", _("Expected an answer of this page; choose one of its buttons.")) from error


def main_question(project: Project) -> Question | None:
    """The question that a page shows first: what a classifier learns, else the first that is asked."""
    return project.primary_question() or project.questions.order_by("position", "id").first()


def shown_question(project: Project, asked: Iterable[Question], key: str | None) -> Question | None:
    """The question of the survey that an address names; the main one where it names none of them."""
    return next((question for question in asked if question.key == key), None) or main_question(project)


def names_of(question: Question | None) -> dict[str, str]:
    """Key -> name of what a question offers."""
    return {choice["key"]: choice["name"] for choice in question.choices()} if question else {}


def say(answer: Any, names: Names = {}) -> str:  # noqa: B006 - never changed
    """An answer of any kind, in words."""
    if answer is None:
        return "–"
    if isinstance(answer, bool):
        return _("Yes") if answer else _("No")
    if answer == CANT_TELL:
        return _("Can't tell")
    if isinstance(answer, str):
        return names.get(answer, {"yes": _("Yes"), "no": _("No")}.get(answer, answer))
    if isinstance(answer, list):
        return _say_list(answer, names)
    if isinstance(answer, float):
        return str(int(answer)) if answer.is_integer() else str(round(answer, 3))
    return str(answer)


def _say_list(answer: list[Any], names: Names) -> str:
    if not answer:
        return _("None")
    if isinstance(answer[0], dict):
        counts = Counter(names.get(box["category"], box["category"]) for box in answer)
        if len(counts) > 3:
            return ngettext("%d box", "%d boxes", len(answer)) % len(answer)
        return ", ".join(f"{n} × {name}" for name, n in counts.items())
    return ", ".join(names.get(item, str(item)) for item in answer)


def offered(question: Question, names: Names | None = None) -> list[tuple[Any, str]]:
    """What the question itself offers, in its own order: (answer, words)."""
    if question.kind == "single_choice":
        return list((names_of(question) if names is None else names).items())[:50]
    if question.kind == "yes_no":
        return [(True, _("Yes")), (False, _("No"))]
    if question.kind == "rating":
        least, most = int(question.options.get("least", 1)), int(question.options.get("most", 5))
        return [(step, str(step)) for step in range(least, most + 1)]
    return []


def labels_of(question: Question | None, names: Names) -> list[tuple[str, str]]:
    """What labels can be looked for by: (as an address says it, words)."""
    if question is not None and question.kind == "rating":
        return [(str(step), words) for step, words in offered(question)]
    if question is None or question.statistic in {"median", "text"}:
        return []
    return [("yes", _("Yes")), ("no", _("No"))] if question.kind == "yes_no" else list(names.items())[:MOST_LABELS]


def is_taken(question: Question, answer: Any, names: Names) -> bool:
    """Whether the question still offers a given choice: a survey that has changed since may have taken it out."""
    return question.kind != "single_choice" or answer == CANT_TELL or answer in names


def sides(question: Question, judgments: Iterable[Judgment], consensus: Any, names: Names) -> list[Side]:
    """The distinct answers, the most frequent first."""
    groups: dict[str, list[Judgment]] = {}
    for judgment in judgments:
        if question.key in judgment.answers:
            groups.setdefault(_same(question, judgment.answers[question.key]), []).append(judgment)
    total = sum(len(group) for group in groups.values())
    found = []
    for same, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        spellings = Counter(json.dumps(judgment.answers[question.key]) for judgment in group)
        answer = consensus if same == _same(question, consensus) else json.loads(spellings.most_common(1)[0][0])
        found.append(Side(answer, say(answer, names), group, len(group) / total, answer == consensus))
    return found


def _same(question: Question, answer: Any) -> str:
    """Equal for answers that count as one: a consensus tells no spellings of a text apart."""
    is_text = question.kind == "text" and isinstance(answer, str) and answer != CANT_TELL
    return plain(answer) if is_text else json.dumps(answer, sort_keys=True)
