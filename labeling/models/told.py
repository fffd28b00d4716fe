"""Columns for sentences that a worker writes down and people of any language read: see ``labeling.text.words``.

A row that was read shows them in the language of whoever reads; written again, they are stored as they were. Rows from
before, and what people type, are plain text and are shown as they are.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import override

from labeling.text import words


class ToldField(models.TextField):
    """One sentence."""

    def get_prep_value(self, value: Any) -> Any:
        return words.stored(value) if isinstance(value, str) else super().get_prep_value(value)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Any:
        return words.read(value) if isinstance(value, str) else value


class ToldJSONField(models.JSONField):
    """JSON with sentences anywhere among its values."""

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(_each(value, words.stored))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return _each(super().from_db_value(value, expression, connection), words.read)


def _each(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_each(part, change) for part in value]
    return value


def in_words(label: Any) -> words.Told:
    """The lazy label of a choice, as a parameter of a sentence that is to be told in other languages too.

    ``Some.Choice(value).label``; what ``get_…_display()`` returns is in the language of the moment already.
    """
    with override(None):  # a lazy text is its message id then
        msgid = str(label)
    return words.gettext(msgid)
