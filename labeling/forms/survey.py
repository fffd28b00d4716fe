"""The survey builder's form: one form a question, in an order, to and from what ``replace_survey`` takes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling import audit
from labeling.questions import KINDS
from labeling.questions.conditions import TESTS
from labeling.text import bodies

KIND_NAMES = {
    "single_choice": _("One of several"),
    "multiple_choice": _("Any of several"),
    "yes_no": _("Yes or no"),
    "rating": _("Scale"),
    "number": _("Number"),
    "text": _("Free text"),
    "boxes": _("Bounding boxes"),
}
audit.VALUES["kind"] = KIND_NAMES
TEST_NAMES = {
    "equals": _("is"),
    "in": _("is one of"),
    "contains": _("contains"),
    "answered": _("is answered"),
    "at_least": _("is at least"),
    "at_most": _("is at most"),
}
# Which kinds take which option: the page shows the others not at all, and they are not sent on.
OPTIONS_OF: dict[str, tuple[str, ...]] = {
    "single_choice": ("choices", "shuffle"),
    "multiple_choice": ("choices", "shuffle", "least", "most"),
    "yes_no": (),
    "rating": ("least", "most", "labels"),
    "number": ("least", "most", "whole", "unit"),
    "text": ("most",),
    "boxes": ("choices", "most"),
}


class QuestionForm(forms.Form):
    kind = forms.ChoiceField(
        choices=[(key, KIND_NAMES.get(key, key)) for key in KINDS],
        label=_("Kind"),
        widget=forms.Select(attrs={"aria-label": _("Kind of question")}),
    )
    prompt = forms.CharField(max_length=500, label=_("Question"))
    help_text = forms.CharField(required=False, label=_("Help"), widget=forms.Textarea(attrs={"rows": 2}))
    required = forms.BooleanField(required=False, label=_("An answer is required"))
    cant_tell = forms.BooleanField(required=False, label=_("Offer “I can't tell”"))
    shuffle = forms.BooleanField(required=False, label=_("Shuffle the options"))
    whole = forms.BooleanField(required=False, label=_("Whole numbers only"))
    choices = forms.CharField(
        required=False,
        label=_("Options"),
        help_text=_("One per line; “key | what the worker reads” where they differ. Empty: the project's categories."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    least = forms.FloatField(required=False, label=_("Least"))
    most = forms.FloatField(required=False, label=_("Most"))
    unit = forms.CharField(required=False, max_length=30, label=_("Unit"))
    labels = forms.CharField(required=False, label=_("Names of the ends"), help_text=_("bad, good"))
    section = forms.CharField(required=False, max_length=100, label=_("Section"))
    examples = forms.CharField(
        required=False,
        label=_("Example pictures"),
        help_text=_("Addresses, one per line; “address | caption” where it has one."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    key = forms.CharField(required=False, max_length=60, label=_("Key in exports"))
    stage = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)
    if_question = forms.CharField(
        required=False,
        max_length=500,
        label=_("Ask only if"),
        help_text=_("An earlier question, by its words or its key."),
        widget=forms.TextInput(attrs={"list": "question-keys", "autocomplete": "off", "spellcheck": "false"}),
    )
    if_test = forms.ChoiceField(
        required=False, choices=[(key, TEST_NAMES[key]) for key in TESTS], label=_("Comparison")
    )
    if_value = forms.CharField(required=False, max_length=200, label=_("Answer"))
    if_json = forms.CharField(required=False, widget=forms.HiddenInput)

    def question(self, kinds: Mapping[str, str], words: Mapping[str, str], position: int) -> dict[str, Any]:
        """What ``replace_survey`` takes.

        Args:
            kinds: What the answers of the other questions look like, by their keys.
            words: Their keys by their words, as ``_plain`` compares them.
        """
        data = self.cleaned_data
        options: dict[str, Any] = {}
        if data["cant_tell"]:
            options["cant_tell"] = True
        for name in OPTIONS_OF.get(data["kind"], ()):
            value = _option(name, data[name])
            if value is not None and value is not False and value not in ("", []):
                options[name] = value
        if data["section"].strip():
            options["section"] = data["section"].strip()
        if data["examples"].strip():
            options["examples"] = [_example(line) for line in data["examples"].splitlines() if line.strip()]
        return {
            "key": data["key"] or key_of(data["prompt"], position),
            "kind": data["kind"],
            "prompt": data["prompt"],
            "help_text": data["help_text"],
            "required": data["required"],
            "options": options,
            "show_if": self._condition(kinds, words),
            "stage": data["stage"] or "label",
        }

    def _condition(self, kinds: Mapping[str, str], words: Mapping[str, str]) -> dict[str, Any] | None:
        data = self.cleaned_data
        if data["if_json"]:
            return bodies.loads(data["if_json"])
        if not data["if_question"]:
            return None
        test, asked = data["if_test"] or "equals", data["if_question"]
        key = asked if asked in kinds else words.get(_plain(asked), asked)
        return {"question": key, test: _value(test, data["if_value"], kinds.get(key))}

    def clean_if_json(self) -> str:
        text: str = self.cleaned_data["if_json"]
        try:
            bodies.loads(text or "null")
        except ValueError as error:
            raise forms.ValidationError(_("This condition is not valid JSON.")) from error
        return text


def key_of(prompt: str, position: int) -> str:
    """A key out of the first words of a question: ``What does this show?`` -> what_does_this."""
    words = slugify(prompt).split("-")[:3]
    return "_".join(word for word in words if word)[:50] or f"question_{position + 1}"


def _plain(prompt: str) -> str:
    """A question's words as they are compared: not by capitals, nor by the mark at their end."""
    return prompt.strip().rstrip("?").casefold()


def _option(name: str, value: Any) -> Any:
    if name == "choices":
        return [_choice(line) for line in value.splitlines() if line.strip()]
    if name == "labels":
        return _labels([part.strip() for part in value.split(",") if part.strip()])
    if name in {"least", "most"} and value is not None and value == int(value):
        return int(value)
    return value


def _choice(line: str) -> dict[str, str]:
    key, _bar, name = line.partition("|")
    return {"key": key.strip(), "name": name.strip() or key.strip()}


def _example(line: str) -> str | dict[str, str]:
    url, _bar, caption = line.partition(" | ")
    return {"url": url.strip(), "caption": caption.strip()} if caption.strip() else line.strip()


def _labels(names: list[str]) -> list[str] | dict[str, str]:
    """The names of the ends; or of steps, as ``1: bad, 3: fair``."""
    steps = [re.fullmatch(r"(-?\d+):\s*(.+)", name) for name in names]
    return {step[1]: step[2] for step in steps if step} if names and all(steps) else names


def _truth(text: str) -> bool | None:
    """Yes or no as it is said here, in the reader's language or in English; None where it is neither."""
    said = text.strip().casefold()
    if said in {"yes", "true", "1", gettext("Yes").casefold()}:
        return True
    return False if said in {"no", "false", "0", gettext("No").casefold()} else None


def _value(test: str, text: str, kind: str | None) -> Any:
    """The answer that a condition compares with, in the shape of the other question's answers."""
    if test == "answered":
        return _truth(text) is not False
    if test == "in":
        return [_value("equals", part.strip(), kind) for part in text.split(",") if part.strip()]
    if kind == "yes_no":
        said = _truth(text)
        return text.strip() if said is None else said
    if kind == "multiple_choice" and test == "equals":
        return [part.strip() for part in text.split(",") if part.strip()]
    if (kind is not None and KINDS[kind].statistic == "median") or test in {"at_least", "at_most"}:
        try:
            number = float(text)
        except ValueError:
            return text.strip()
        if not math.isfinite(number):
            return text.strip()
        return int(number) if number == int(number) else number
    return text.strip()


def initial_of(question: Mapping[str, Any], kinds: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A stored question as the builder shows it; ``kinds`` are those of the survey's questions, by key."""
    options = question["options"]
    labels = options.get("labels") or []
    return {
        **{name: question[name] for name in ("key", "kind", "prompt", "help_text", "required", "stage")},
        **{name: options.get(name) for name in ("cant_tell", "shuffle", "whole", "least", "most", "unit", "section")},
        "choices": "\n".join(_line(choice) for choice in options.get("choices", [])),
        "labels": ", ".join(
            [f"{step}: {name}" for step, name in labels.items()] if isinstance(labels, dict) else labels
        ),
        "examples": "\n".join(_example_line(example) for example in options.get("examples") or []),
        **_condition_initial(question.get("show_if"), kinds or {}),
    }


def _condition_initial(condition: Mapping[str, Any] | None, kinds: Mapping[str, str]) -> dict[str, str]:
    """A condition in the builder's fields, or as JSON where those cannot say it."""
    blank = {"if_question": "", "if_test": "equals", "if_value": "", "if_json": ""}
    if condition is None:
        return blank
    test = next((name for name in TESTS if name in condition), "")
    if test and set(condition) == {"question", test}:
        key, value = condition["question"], condition[test]
        # Not of a choice with a comma in it, say: what is saved would be another condition.
        if _value(test, _text(value), kinds.get(key)) == value:
            return {**blank, "if_question": key, "if_test": test, "if_value": _text(value)}
    return {**blank, "if_test": test or "equals", "if_json": json.dumps(condition)}


def _line(choice: Mapping[str, str]) -> str:
    name = choice.get("name", choice["key"])
    return choice["key"] if name == choice["key"] else f"{choice['key']} | {name}"


def _example_line(example: str | Mapping[str, str]) -> str:
    if isinstance(example, str):
        return example
    return f"{example['url']} | {example['caption']}" if example.get("caption") else example["url"]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(_text(item) for item in value) if isinstance(value, list) else str(value)


def _unchecked(form: QuestionForm) -> QuestionForm:
    """The same form with what stands in it, before anybody complains about it."""
    return QuestionForm(prefix=form.prefix, initial={name: form[name].value() for name in form.fields})


class SurveyForms:
    """The forms of a whole survey, in the order that the page sends; ``q`` repeats their numbers."""

    def __init__(self, forms_: Sequence[QuestionForm]) -> None:
        self.forms = list(forms_)

    @classmethod
    def stored(cls, questions: Sequence[Mapping[str, Any]]) -> SurveyForms:
        kinds = {row["key"]: row["kind"] for row in questions}
        return cls([QuestionForm(prefix=str(i), initial=initial_of(row, kinds)) for i, row in enumerate(questions)])

    @classmethod
    def sent(cls, data: QueryDict, *, is_draft: bool = False) -> SurveyForms:
        """``is_draft``: as a preview takes it, of questions that have no words yet."""
        numbers = dict.fromkeys(text for text in data.getlist("q") if text.isdecimal() and len(text) < 6)
        found = cls([QuestionForm(data, prefix=number) for number in numbers])
        for form in found.forms:
            form.fields["prompt"].required = not is_draft
        return found

    def keys(self) -> dict[str, str]:
        """Key -> words of each question that stands here, for the conditions of those below it."""
        rows = [(form["key"].value(), form["prompt"].value() or "") for form in self.forms]
        return {key or key_of(prompt, place): prompt for place, (key, prompt) in enumerate(rows)}

    def is_valid(self) -> bool:
        valid = [form.is_valid() for form in self.forms]  # each of them, so that every problem is shown
        return bool(valid) and all(valid)

    def questions(self) -> list[dict[str, Any]]:
        """Every question; call it when the forms are valid. Keys that were left out do not collide."""
        sent = [form.cleaned_data for form in self.forms]
        kinds = {data["key"] or key_of(data["prompt"], place): data["kind"] for place, data in enumerate(sent)}
        words = {_plain(data["prompt"]): data["key"] or key_of(data["prompt"], i) for i, data in enumerate(sent)}
        rows = [form.question(kinds, words, position) for position, form in enumerate(self.forms)]
        taken: set[str] = set()
        for row in rows:
            stem, number = row["key"], 2
            while row["key"] in taken:
                row["key"] = f"{stem}_{number}"
                number += 1
            taken.add(row["key"])
        return rows

    def change(self, action: str) -> None:
        """Add, move or take out a question: ``add:rating``, ``up:2``, ``down:2``, ``remove:2``."""
        verb, _colon, argument = action.partition(":")
        self.forms = [_unchecked(form) for form in self.forms]
        if verb == "add":
            number = 1 + max((int(form.prefix or 0) for form in self.forms), default=-1)
            kind = argument if argument in KINDS else "single_choice"
            ends = {"least": 1, "most": 5} if kind == "rating" else {}
            blank = {"kind": kind, "required": True, "if_test": "equals", **ends}
            self.forms.append(QuestionForm(prefix=str(number), initial=blank))
            return
        place = next((i for i, form in enumerate(self.forms) if form.prefix == argument), None)
        if place is None:
            return
        if verb == "remove":
            self.forms.pop(place)
        elif verb in {"up", "down"}:
            other = place + (1 if verb == "down" else -1)
            if 0 <= other < len(self.forms):
                self.forms[place], self.forms[other] = self.forms[other], self.forms[place]
