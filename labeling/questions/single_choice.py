"""One out of several: ``"cat"``."""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import BadAnswer, Kind, Options, Schema, choice_keys, known_options
from labeling.text.words import gettext as _


def _options(options: Options) -> Options:
    return known_options(options, "choices", "shuffle")


def _answer(value: Any, options: Options) -> str:
    keys = choice_keys(options)
    if not isinstance(value, str) or value not in keys:
        raise BadAnswer(
            _("expected one of %(keys)s; got %(value)s.")
            % {"keys": ", ".join(keys[:20]) + (" …" if len(keys) > 20 else ""), "value": f"{value!r:.80}"}
        )
    return value


def _schema(options: Options) -> Schema:
    return {"type": "string", "enum": choice_keys(options)}


SINGLE_CHOICE = Kind(_options, _answer, _schema, choice_keys, "class")
