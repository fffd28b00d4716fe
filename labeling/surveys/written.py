"""The JSON Schema of a survey as an owner writes it: its categories, questions and translations.

What a schema cannot say is checked when the survey is stored: keys once each and without control characters, conditions
that ask earlier questions for answers that they take, parents that are categories, the ends of a range in their order
and not too far apart. A part that is null is one that is left out. Source: https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import CANT_TELL, Schema
from labeling.surveys import tongues
from labeling.surveys.translations import ANSWERS, LONGEST

TEXT: Schema = {"type": "string"}
YES: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
NOTHING: Schema = {"type": "null"}
NAME: Schema = {"type": "string", "pattern": "\\S", "not": {"const": CANT_TELL}}
ADDRESS: Schema = {"type": "string", "pattern": "^(https://|http://|/|data:image/)"}
# What every kind may have, and what each kind may have beside it.
COMMON: dict[str, Schema] = {
    "cant_tell": {**YES, "description": f'Offer "I can\'t tell", stored as "{CANT_TELL}".'},
    "section": {**TEXT, "description": "Questions of one section stand together under its name."},
    "examples": {
        "type": "array",
        "items": {"anyOf": [ADDRESS, {"type": "object", "required": ["url"], "properties": {"url": ADDRESS}}]},
        "description": "Addresses of pictures that show what is meant.",
    },
}
CHOICE: Schema = {"anyOf": [NAME, {"type": "object", "required": ["key"], "properties": {"key": NAME, "name": TEXT}}]}
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
MOST_PROMPT, MOST_STAGE = 500, 20  # characters
PARTS = ("id", "key", "kind", "prompt", "help_text", "required", "options", "show_if", "stage", "position")

_ANSWER_OF: Schema = {"type": "string", "description": "The key of an earlier question."}
_CONDITION: Schema = {
    "anyOf": [
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
_KEY: Schema = {**NAME, "maxLength": 100}
CATEGORY: dict[str, Schema] = {
    "key": {"anyOf": [_KEY, {"enum": [None, ""]}], "description": "Its name, where it is left out."},
    "name": {"type": ["string", "null"]},
    "description": {"type": ["string", "null"]},
    "wordnet_id": {"type": ["string", "null"], "description": "As ImageNet names it: n02084071."},
    "parent": {"type": ["string", "null"], "description": "The key of the category above."},
}
_CATEGORY: Schema = {
    "anyOf": [
        _KEY,
        *(
            {"type": "object", "required": [name], "properties": {**CATEGORY, name: _KEY}}  # what it goes by
            for name in ("key", "name")
        ),
    ]
}


def _or_nothing(schema: Schema) -> Schema:
    told = {name: schema[name] for name in ("description",) if name in schema}
    return {"anyOf": [{name: part for name, part in schema.items() if name not in told}, NOTHING], **told}


def _question(kind: str) -> Schema:
    options = {**COMMON, **OPTIONS[kind]}
    options |= {name: options[known] for name, known in SAME.items() if known in options}
    options = {name: _or_nothing(options[name]) if name in options else NOTHING for name in BESIDE}
    inside: list[Schema] = [{"type": "object", "properties": options, "additionalProperties": False}, NOTHING]
    if "choices" in OPTIONS[kind]:
        inside.append(CHOICES)
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {
            "id": {"description": "As it is read; it is not written."},
            "key": {
                "anyOf": [{"type": "string", "pattern": "^(?=.*[A-Za-z0-9])[A-Za-z0-9_-]{1,60}$"}, {"enum": [None, ""]}]
            },
            "kind": {"const": kind},
            "prompt": {"type": ["string", "null"], "maxLength": MOST_PROMPT, "description": "The key, without one."},
            "help_text": {"type": ["string", "null"]},
            "required": {**YES, "default": True},
            "show_if": {"anyOf": [{"$ref": "#/$defs/condition"}, NOTHING]},
            "stage": {"type": ["string", "null"], "maxLength": MOST_STAGE, "default": "label"},
            "position": {"description": "As it is read: the order of the questions is what counts."},
            "options": {"anyOf": inside},
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
