"""Filters of lists that refuse what they do not understand, where django-filter's own would ignore it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

_SAID = {"true": True, "1": True, "false": False, "0": False, "": None}


class TrueOrFalseField(forms.Field):
    def to_python(self, value: Any) -> bool | None:
        said = str(value if value is not None else "").lower()
        if said not in _SAID:
            raise forms.ValidationError(_("Expected true or false."))
        return _SAID[said]


class TrueOrFalse(filters.BooleanFilter):
    """``?name=true`` or ``false``; anything else is refused."""

    field_class = TrueOrFalseField

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, widget=forms.TextInput, **named)


class Since(filters.IsoDateTimeFilter):
    """``?name=2026-11-29T09:10:00Z``: what happened then or later."""

    def __init__(self, field_name: str) -> None:
        told = _("Expected a moment such as 2026-11-29T09:10:00Z (in an address, a + is written %2B).")
        super().__init__(field_name, "gte", error_messages={"invalid": told})
