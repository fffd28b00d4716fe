"""Any number out of several: ``["cat", "dog"]``, stored in the order of the choices; ``[]`` says that none fits."""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import BadAnswer, Kind, Options, Schema, choice_keys, known_options, whole_option
from labeling.text.words import gettext as _


def _options(options: Options) -> Options:
    least, most = whole_option(options, "least", 0), whole_option(options, "most")
    if (least or 0) < 0 or (most is not None and most < (least or 0)):
        raise BadAnswer(_("least must be 0 or more and most not below it."))
    return known_options(options, "choices", "shuffle", "least", "most")


def _answer(value: Any, options: Options) -> list[str]:
    keys = choice_keys(options)
    if not isinstance(value, list) or not all(isinstance(item, str) and item in keys for item in value):
        raise BadAnswer(
            _("expected a list of some of %(keys)s; got %(value)s.")
            % {"keys": ", ".join(keys[:20]), "value": f"{value!r:.80}"}
        )
    chosen = [key for key in keys if key in value]
    least, most = options.get("least", 0), options.get("most", len(keys))
    if not least <= len(chosen) <= most:
        raise BadAnswer(
            _("expected from %(least)s to %(most)s choices, got %(chosen)s.")
            % {"least": least, "most": most, "chosen": len(chosen)}
        )
    return chosen


def _schema(options: Options) -> Schema:
    keys = choice_keys(options)
    return {
        "type": "array", "uniqueItems": True, "items": {"type": "string", "enum": keys},
        "minItems": options.get("least", 0), "maxItems": options.get("most", len(keys)),
    }  # fmt: skip


MULTIPLE_CHOICE = Kind(_options, _answer, _schema, choice_keys, "set")
