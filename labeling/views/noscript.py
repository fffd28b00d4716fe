"""A labeling form that came without JavaScript -> answers, as the API takes them. Checking is the survey's work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import QueryDict

from labeling.questions import CANT_TELL
from labeling.surveys.survey import Asked
from labeling.text import bodies
from labeling.views.asking import SIDES

MOST_ROWS = 1000


def from_form(questions: Iterable[Asked], data: QueryDict) -> dict[str, Any]:
    """Answers by question, without those left empty. What cannot be read is passed on, for the check to refuse."""
    found = {question.key: _answer(question, data) for question in questions}
    return {key: answer for key, answer in found.items() if answer is not None}


def _answer(question: Asked, data: QueryDict) -> Any:
    name = f"a.{question.key}"
    if data.get(f"{name}.cant") == CANT_TELL or (data.get(name) == CANT_TELL and question.kind != "text"):
        return CANT_TELL
    return READERS[question.kind](question, data, name)


def _yes_no(question: Asked, data: QueryDict, name: str) -> Any:
    return {"yes": True, "no": False, "": None, None: None}.get(data.get(name), data.get(name))


def _single_choice(question: Asked, data: QueryDict, name: str) -> Any:
    """A key, or the name that a person typed into the type-ahead field; a name that several have says none of them.

    A name as it was written first is known, too, where the page shows none that is the same.
    """
    texts = [text.strip() for text in data.getlist(name) if text.strip()]
    if not texts:
        return None
    choices = question.options.get("choices", [])
    keys = {choice["key"] for choice in choices}
    shown = [(choice["name"].casefold(), choice["key"]) for choice in choices]
    first = [(choice.get("original", choice["name"]).casefold(), choice["key"]) for choice in choices]
    taken = {name for name, _key in shown}
    names = {name: key for name, key in _unique(first).items() if name not in taken} | _unique(shown)
    known = [
        text if text in keys else names[text.casefold()] for text in texts if text in keys or text.casefold() in names
    ]
    return known[-1] if known else texts[-1]


def _unique(named: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name -> key, without those that several have."""
    amounts = Counter(name for name, _key in named)
    return {name: key for name, key in named if amounts[name] == 1}


def _multiple_choice(question: Asked, data: QueryDict, name: str) -> Any:
    return data.getlist(name) or ([] if data.get(f"{name}.none") else None)


def _number(question: Asked, data: QueryDict, name: str) -> Any:
    text = data.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text


def _text(question: Asked, data: QueryDict, name: str) -> Any:
    return data.get(name, "").strip() or None


def _boxes(question: Asked, data: QueryDict, name: str) -> Any:
    """The editor's JSON when there is one, else the rows of number fields; a row without numbers is no box."""
    drawn = data.get(f"{name}.json")
    if drawn is not None:
        try:
            boxes = bodies.loads(drawn or "[]")
        except ValueError:
            boxes = drawn
    else:
        rows = (_row(question, data, f"{name}.{index}") for index in range(MOST_ROWS) if f"{name}.{index}.x" in data)
        boxes = [row for row in rows if row is not None]
    return boxes or ([] if data.get(f"{name}.none") else None)


def _row(question: Asked, data: QueryDict, name: str) -> dict[str, Any] | None:
    sides = [_number(question, data, f"{name}.{side}") for side in SIDES]
    if all(side is None for side in sides):
        return None
    return {"category": data.get(f"{name}.category"), "box": sides}


READERS = {
    "yes_no": _yes_no,
    "single_choice": _single_choice,
    "multiple_choice": _multiple_choice,
    "rating": _number,
    "text": _text,
    "number": _number,
    "boxes": _boxes,
}
