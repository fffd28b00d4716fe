"""Sentences for people in rooms that know no Django: marked here for translators, said in the reader's language.

Pure rooms import ``gettext as _`` from here and format by name: ``_("expected %(kind)s.") % {"kind": kind}``. Outside
of a web application, in a notebook say, the sentences stay English; ``LabelingConfig`` hands in Django's translation.
"""

from __future__ import annotations

from collections.abc import Callable


def _same(text: str) -> str:
    return text


_translate: list[Callable[[str], str]] = [_same]


def gettext(text: str) -> str:
    """The text in the language that holds now, as far as anybody knows how to translate."""
    return _translate[0](text)


def translate_with(translate: Callable[[str], str]) -> None:
    _translate[0] = translate
