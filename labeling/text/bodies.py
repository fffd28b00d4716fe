"""What a body may hold: text that PostgreSQL can keep, and numbers that are some.

JSON can write a NUL, half of a surrogate pair and a number beyond all doubles. No text or figure of ours has one, the
database takes none, and an answer that repeats half a pair cannot even be written; so a body with one is refused where
it is read, whatever would have become of it.

Source: RFC 7493 (I-JSON); https://www.postgresql.org/docs/current/datatype-json.html
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from labeling.text.spellings import is_storable
from labeling.text.words import gettext as _

# JSON writes both as escapes only: a raw NUL is no JSON, and bytes that are half a pair are no UTF-8.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class Unstorable(ValueError):
    """A text that cannot be kept; ``field`` is where in the body it stands, or empty."""

    def __init__(self, field: str) -> None:
        super().__init__(_("A text holds a NUL or half a character, which cannot be stored."))
        self.field = field


def loads(body: bytes | str) -> Any:
    """What the JSON text says.

    Raises:
        Unstorable: It holds a text that cannot be kept.
        ValueError: It is no JSON, or nested too deeply to be read.
    """
    text = (body.decode() if isinstance(body, bytes) else body).removeprefix("\ufeff")  # as Windows writes files
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if "\\u" in text and _SUSPECT.search(text):
            check(value.items() if isinstance(value, Mapping) else [("", value)])
    except RecursionError as error:
        raise ValueError(_("The body is nested too deeply.")) from error
    return value


def check(fields: Iterable[tuple[str, Any]]) -> None:
    """Return when every text in these named values can be kept.

    Raises:
        Unstorable: The first that cannot.
    """
    for name, value in fields:
        if not is_storable(name):
            raise Unstorable("")
        if not is_storable(value):
            raise Unstorable(name)


def _no_number(text: str) -> Any:
    raise ValueError(_("%(text)s is no number of JSON.") % {"text": text})


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(_("%(text)s is larger than any number that can be stored.") % {"text": f"{text:.20}"})
    return number
