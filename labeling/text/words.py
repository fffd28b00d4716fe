"""Sentences for people in rooms that know no Django: marked here for translators, said in the reader's language.

Rooms import ``gettext as _`` from here and format by name: ``_("expected %(kind)s.") % {"kind": kind}``. Outside of a
web application, in a notebook say, the sentences stay English; ``LabelingConfig`` hands in Django's translation.

What a worker writes down today is read tomorrow by people of several languages. So such a sentence is a ``Told``: a
text in the language of the moment that remembers what it was made from. Columns that keep sentences
(``labeling.models.told``) store that, and read it back in the reader's language. Slices, joins and f-strings of it are
plain text again, which stays as it was written: what varies belongs into the parameters.
"""

from __future__ import annotations

import json
import numbers
from collections.abc import Callable, Mapping
from typing import Any

from labeling.text.spellings import written

# How a stored sentence begins; no sentence that a person types does, and one that did would be stored as a parameter.
MARK = '{"msgid": '


def _same(text: str) -> str:
    return text


_translate: list[Callable[[str], str]] = [_same]


class Told(str):
    """A sentence, its message id, and its parameters: None before they are filled in, or where it takes none."""

    __slots__ = ("msgid", "params")
    msgid: str
    params: dict[str, Any] | None

    def __new__(cls, text: str, msgid: str, params: dict[str, Any] | None = None) -> Told:
        made = super().__new__(cls, text)
        made.msgid, made.params = msgid, params
        return made

    def __getnewargs__(self) -> tuple[str, str, dict[str, Any] | None]:  # type: ignore[override]
        return str(self), self.msgid, self.params

    def __mod__(self, values: Any) -> Told:
        return tell(self.msgid, dict(values))


def gettext(text: str) -> Told:
    """The text in the language that holds now, as far as anybody knows how to translate."""
    return Told(_translate[0](text), text)


def tell(msgid: str, params: Mapping[str, Any] | None = None) -> Told:
    """The sentence in the language that holds now. A translation that its parameters do not fit gives way to English,
    and what fits nothing is told as it is: a stored sentence must never break the page that shows it.
    """
    if params is None:
        return gettext(msgid)
    for text in (_translate[0](msgid), msgid):
        try:
            return Told(text % params, msgid, dict(params))
        except (KeyError, TypeError, ValueError):
            continue
    return Told(msgid, msgid, dict(params))


def shortened(text: str, most: int) -> str:
    """A sentence whose parameters hold at most so many characters each, such as a database can hold; plain text is cut
    there.
    """
    if not isinstance(text, Told):
        return written(text[:most])
    if text.params is None:
        return text
    return tell(text.msgid, {name: _short(part, most) for name, part in text.params.items()})


def clause(error: object) -> str:
    """What an error says, to stand inside a sentence: without the stop that ends one of its own."""
    return str(error).rstrip(".।")


def _short(part: Any, most: int) -> Any:
    return shortened(part, most) if isinstance(part, str) else part


def translate_with(translate: Callable[[str], str]) -> None:
    _translate[0] = translate


def stored(text: str) -> str:
    """As a column of text keeps it; plain text is kept as it is."""
    if isinstance(text, Told):
        return json.dumps(_stored(text), ensure_ascii=False)
    return stored(tell("%(text)s", {"text": text})) if text.startswith(MARK) else text


def read(text: str) -> str:
    """What ``stored`` kept, in the language that holds now."""
    if not text.startswith(MARK):
        return text
    try:
        return _read(json.loads(text))
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        return text


def _stored(value: Any) -> Any:
    if isinstance(value, Told):
        params = value.params
        return {
            "msgid": value.msgid,
            **({} if params is None else {"params": {name: _stored(part) for name, part in params.items()}}),
        }
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Real):  # numpy's too
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    return str(value)


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    params = value.get("params")
    return tell(value["msgid"], None if params is None else {name: _read(part) for name, part in params.items()})
