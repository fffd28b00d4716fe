"""Yes or no: ``true`` or ``false``. In a posterior the two are called ``"yes"`` and ``"no"``."""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import BadAnswer, Kind, Options, Schema, known_options
from labeling.text.words import gettext as _


def _answer(value: Any, options: Options) -> bool:
    if not isinstance(value, bool):
        raise BadAnswer(_("expected true or false, got %(value)s.") % {"value": f"{value!r:.80}"})
    return value


def _schema(options: Options) -> Schema:
    return {"type": "boolean"}


def _classes(options: Options) -> list[str]:
    return ["yes", "no"]


YES_NO = Kind(known_options, _answer, _schema, _classes, "class")
