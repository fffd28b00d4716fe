"""A step of a scale: ``4``. ``least`` and ``most`` are the scale's ends, 1 to 5 unless told."""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import (
    BadAnswer,
    Kind,
    Options,
    Schema,
    is_number,
    known_options,
    no_classes,
    whole_option,
)
from labeling.text.words import gettext as _


def _ends(options: Options) -> tuple[int, int]:
    return int(options.get("least", 1)), int(options.get("most", 5))


def _options(options: Options) -> Options:
    whole_option(options, "least")
    whole_option(options, "most")
    least, most = _ends(options)
    if not least < most <= least + 100:
        raise BadAnswer(_("a scale needs 2 to 101 steps, got %(least)s to %(most)s.") % {"least": least, "most": most})
    labels = options.get("labels", [])
    names = list(labels.values()) if isinstance(labels, dict) else labels
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadAnswer(_("labels are the names of the ends: a list of texts, or {step: name}."))
    return known_options(options, "least", "most", "labels")


def _answer(value: Any, options: Options) -> int:
    least, most = _ends(options)
    if not is_number(value) or value != int(value) or not least <= value <= most:
        raise BadAnswer(
            _("expected a whole number from %(least)s to %(most)s, got %(value)s.")
            % {"least": least, "most": most, "value": f"{value!r:.80}"}
        )
    return int(value)  # 4.0 is a whole number to JSON


def _schema(options: Options) -> Schema:
    least, most = _ends(options)
    return {"type": "integer", "minimum": least, "maximum": most}


RATING = Kind(_options, _answer, _schema, no_classes, "median")
