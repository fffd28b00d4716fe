"""Fields and filters of fixed choices whose refusal says which there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, cast

from django import forms
from django.utils.translation import gettext_lazy
from django_filters import rest_framework as filters
from rest_framework import serializers

MOST_NAMED = 20
REFUSAL = gettext_lazy('"{input}" is not a valid choice; expected one of {choices}.')


class Choice(serializers.ChoiceField):
    """As a field; where a model's serializer makes its fields by itself, as its ``serializer_choice_field``."""

    default_error_messages = {"invalid_choice": REFUSAL}

    def fail(self, key: str, **told: Any) -> NoReturn:
        super().fail(key, choices=_named(self.choices), **told)


class FilterSet(filters.FilterSet):
    """Whose filters by a choice do so."""

    def get_form_class(self) -> type[forms.Form]:
        form = super().get_form_class()
        for field in form.base_fields.values():
            if isinstance(field, forms.ChoiceField):
                choices = _named(choice for choice, _name in cast("Any", field.choices))
                field.error_messages["invalid_choice"] = REFUSAL.format(input="%(value)s", choices=choices)
        return form


def _named(choices: Iterable[Any]) -> str:
    """``cat, dog``; of very many the first."""
    said = [str(choice) for choice in choices if choice != ""]
    return ", ".join(said[:MOST_NAMED]) + (" …" if len(said) > MOST_NAMED else "")
