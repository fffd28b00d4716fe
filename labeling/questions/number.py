"""A number: ``3.5``. Options: ``least``, ``most``, ``whole``, ``unit``."""

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
    number_option,
)
from labeling.text.words import gettext as _

# Larger numbers are slips or worse, and the squares of such would not be numbers any more.
MOST = 1e100
# What a page counts in, and the mean of several answers, tells no whole numbers apart beyond this.
MOST_WHOLE = 2**53 - 1


def _options(options: Options) -> Options:
    least, most = number_option(options, "least"), number_option(options, "most")
    if least is not None and most is not None and least > most:
        raise BadAnswer(_("least must not be above most."))
    return known_options(options, "least", "most", "whole", "unit")


def _answer(value: Any, options: Options) -> float:
    if not is_number(value):
        raise BadAnswer(_("expected a number, got %(value)s.") % {"value": f"{value!r:.80}"})
    widest = MOST_WHOLE if options.get("whole") else MOST
    least, most = _bound(options, "least", -widest), _bound(options, "most", widest)
    if value < least:
        told = _("expected a number of at least %(least)s, got %(value)s.")
        raise BadAnswer(told % {"least": least, "value": f"{value!r:.80}"})
    if value > most:
        told = _("expected a number of at most %(most)s, got %(value)s.")
        raise BadAnswer(told % {"most": most, "value": f"{value!r:.80}"})
    if options.get("whole") and value != int(value):
        raise BadAnswer(_("expected a whole number, got %(value)s.") % {"value": f"{value!r:.80}"})
    return int(value) if options.get("whole") else value


def _bound(options: Options, name: str, widest: float) -> float:
    own = options.get(name)
    return widest if own is None or abs(own) > abs(widest) else own


def _schema(options: Options) -> Schema:
    schema: Schema = {"type": "integer" if options.get("whole") else "number"}
    for name, key in (("least", "minimum"), ("most", "maximum")):
        if options.get(name) is not None:
            schema[key] = options[name]
    return schema


NUMBER = Kind(_options, _answer, _schema, no_classes, "median")
