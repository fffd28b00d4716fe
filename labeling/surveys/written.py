"""The JSON Schema of a survey as an owner writes it: its categories, questions and translations.

What a schema cannot say is checked when the survey is stored: keys once each, conditions that look at earlier
questions only, parents that are categories. Source: https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import CANT_TELL, Schema
from labeling.surveys import tongues
from labeling.surveys.translations import ANSWERS, LONGEST

TEXT: Schema = {"type": "string"}
YES: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
# What every kind may have, and what each kind may have beside it.
COMMON: dict[str, Schema] = {
    "cant_tell": {**YES, "description": f'Offer "I can\'t tell", stored as "{CANT_TELL}".'},
    "section": {**TEXT, "description": "Questions of one section stand together under its name."},
    "examples": {
        "type": "array",
        "items": {"anyOf": [TEXT, {"type": "object", "required": ["url"], "properties": {"url": TEXT}}]},
        "description": "Addresses of pictures that show what is meant.",
    },
}
CHOICE: Schema = {"anyOf": [TEXT, {"type": "object", "required": ["key"], "properties": {"key": TEXT, "name": TEXT}}]}
CHOICES: Schema = {"type": "array", "items": CHOICE, "description": "Without them, the project's categories."}
SHUFFLE: Schema = {**YES, "description": "Each worker sees the choices in another order."}
WHOLE: Schema = {"type": "integer", "minimum": 0}
OPTIONS: dict[str, dict[str, Schema]] = {
    "yes_no": {},
    "single_choice": {"choices": CHOICES, "shuffle": SHUFFLE},
    "multiple_choice": {"choices": CHOICES, "shuffle": SHUFFLE, "least": WHOLE, "most": WHOLE},
    "rating": {
        "least": {"type": "integer", "default": 1},
        "most": {"type": "integer", "default": 5},
        "labels": {
            "anyOf": [{"type": "array", "items": TEXT}, {"type": "object", "additionalProperties": TEXT}],
            "description": "Names of the ends, or {step: name}.",
        },
    },
    "text": {"most": {"type": "integer", "minimum": 1, "maximum": 20_000, "default": 2000}},
    "number": {"least": NUMBER, "most": NUMBER, "whole": YES, "unit": TEXT},
    "boxes": {"choices": CHOICES, "most": WHOLE},
}
# Written by many for the ends of a range, as in judgments_per_task.
SAME = {"min": "least", "max": "most"}
BESIDE = tuple(dict.fromkeys([*COMMON, *(name for options in OPTIONS.values() for name in options), *SAME]))
PARTS = ("id", "key", "kind", "prompt", "help_text", "required", "options", "show_if", "stage", "position")

_ANSWER_OF: Schema = {"type": "string", "description": "The key of an earlier question."}
_CONDITION: Schema = {
    "anyOf": [
        {"type": "null"},
        *(
            {
                "type": "object",
                "required": ["question", test],
                "properties": {"question": _ANSWER_OF, test: compared},
                "additionalProperties": False,
            }
            for test, compared in {
                "equals": {},
                "in": {"type": "array"},
                "contains": {},
                "answered": YES,
                "at_least": NUMBER,
                "at_most": NUMBER,
            }.items()
        ),
        *(
            {
                "type": "object",
                "required": [name],
                "properties": {name: {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/condition"}}},
                "additionalProperties": False,
            }
            for name in ("all", "any")
        ),
        {
            "type": "object",
            "required": ["not"],
            "properties": {"not": {"$ref": "#/$defs/condition"}},
            "additionalProperties": False,
        },
    ]
}
CATEGORY: dict[str, Schema] = {
    "key": {"type": "string", "minLength": 1, "maxLength": 100},
    "name": TEXT,
    "description": TEXT,
    "wordnet_id": {**TEXT, "description": "As ImageNet names it: n02084071."},
    "parent": {"type": ["string", "null"], "description": "The key of the category above."},
}
_CATEGORY: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 100},
        {"type": "object", "anyOf": [{"required": ["key"]}, {"required": ["name"]}], "properties": CATEGORY},
    ]
}


def _question(kind: str) -> Schema:
    options = {**COMMON, **OPTIONS[kind]}
    options |= {name: options[known] for name, known in SAME.items() if known in options}
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {
            "id": {"type": "integer", "description": "As it is read; it is not written."},
            "key": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,60}$"},
            "kind": {"const": kind},
            "prompt": {"type": "string", "minLength": 1, "maxLength": 500},
            "help_text": TEXT,
            "required": {**YES, "default": True},
            "show_if": {"$ref": "#/$defs/condition"},
            "stage": {"type": "string", "maxLength": 20, "default": "label"},
            "position": {"type": "integer"},
            "options": {"type": "object", "properties": options, "additionalProperties": False},
            **options,
        },
        "additionalProperties": False,
    }


def _texts(name: str) -> Schema:
    return {"type": "string", "maxLength": LONGEST[name]}


def _texts_by(name: str, key: str) -> Schema:
    return {"type": "object", "additionalProperties": _texts(name), "description": f"By {key}."}


def _parts(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _translation() -> Schema:
    """One language of a survey: what is left out, or empty, is shown as it was written first."""
    question = {name: _texts(name) for name in ("prompt", "help_text", "unit")}
    question["choices"] = _texts_by("choices", "the key of a choice of the question's own")
    question["labels"] = _texts_by("labels", "step of the scale")
    question["captions"] = _texts_by("captions", "the caption of an example as it was written first")
    words = {name: _texts("answers") for name in ANSWERS}
    return _parts(
        {
            "instructions": _texts("instructions"),
            "sections": _texts_by("sections", "the name of a section as it was written first"),
            "questions": {"type": "object", "additionalProperties": _parts(question), "description": "By key."},
            "categories": {
                "type": "object",
                "additionalProperties": _parts({name: _texts(name) for name in ("name", "description")}),
                "description": "By key.",
            },
            "answers": {
                **_parts(words),
                "description": "What stands for an answer of every survey, in a language that the pages do not speak.",
            },
        }
    )


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``{"categories": […], "questions": […]}``; options stand in ``options`` or beside it."""
    codes = {"enum": sorted(tongues.NAMES)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A survey: the categories and questions of a project",
        "type": "object",
        "properties": {
            "categories": {"type": "array", "items": _CATEGORY},
            "questions": {
                "type": "array",
                "minItems": 1,
                "items": {"oneOf": [_question(kind) for kind in OPTIONS]},
            },
            "language": {"enum": ["", *codes["enum"]], "description": "The language that all of it is written in."},
            "translations": {
                "type": "object",
                "propertyNames": codes,
                "additionalProperties": {"anyOf": [{"type": "null"}, _translation()]},
                "description": "The texts in other languages; null takes a language out.",
            },
        },
        "$defs": {"condition": _CONDITION},
    }
