"""Free text: ``"…"``. ``most`` is the longest answer in characters, 2000 unless told."""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import (
    BadAnswer,
    Kind,
    Options,
    Schema,
    known_options,
    no_classes,
    whole_option,
)
from labeling.text.spellings import folded, is_storable
from labeling.text.words import gettext as _

LONGEST = 2000


class KnownText(str):
    """A known answer to be written and not chosen: choices may differ by their capitals alone, texts do not."""

    __slots__ = ()


def plain(text: str) -> str:
    """The same of all texts that say the same: without regard to capitals, spaces and how an accent is put together."""
    return " ".join(folded(text).split())


def _options(options: Options) -> Options:
    most = whole_option(options, "most", LONGEST)
    if most is None or not 1 <= most <= 20_000:
        raise BadAnswer(_("most must be from 1 to 20000 characters, got %(most)s.") % {"most": repr(most)})
    return known_options(options, "most")


def _answer(value: Any, options: Options) -> str:
    most = int(options.get("most", LONGEST))
    if not isinstance(value, str) or not value.strip() or not is_storable(value):
        raise BadAnswer(_("expected text that is not empty, got %(value)s.") % {"value": f"{value!r:.80}"})
    if len(value) > most:
        raise BadAnswer(_("expected at most %(most)s characters, got %(value)s.") % {"most": most, "value": len(value)})
    return value.strip()


def _schema(options: Options) -> Schema:
    return {"type": "string", "pattern": "\\S", "maxLength": int(options.get("most", LONGEST))}


TEXT = Kind(_options, _answer, _schema, no_classes, "text")
