"""Shares of a whole as people write them: 95 %."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

DIGITS = 8  # of a share that are kept


def as_percent(share: float) -> str:
    """As a field shows it, and as it may be typed again."""
    return f"{round(share * 100, DIGITS - 2):.12g} %"


class ThresholdField(forms.FloatField):
    """``60 %`` is 0.6, as it is stored; seconds and numbers in a row are as they are."""

    # No decimal keyboard: that of a phone has no percent sign.
    widget = forms.TextInput(attrs={"autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        text = "" if value is None else str(value).strip().replace(",", ".")
        if not text.endswith("%"):
            return super().to_python(text)
        number = super().to_python(text.removesuffix("%").strip())
        return None if number is None else number / 100


class ShareField(ThresholdField):
    """A share, shown as a percentage; 0.95 may be typed, too, and 95, since no share is above 1."""

    default_error_messages = {
        "invalid": _("Write a share as 0.95 or 95 %"),
        "unclear": _("One in a hundred, or all? Write it with its sign, or all as 1.0."),
    }

    def __init__(self, *, low: float = 0.0, high: float = 1.0, **options: Any) -> None:
        self.low, self.high = low, high
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        return as_percent(value) if isinstance(value, int | float) else value

    def to_python(self, value: Any) -> Any:
        share = super().to_python(value)
        if share is not None and isinstance(value, str) and "%" not in value:
            if share == 1 <= self.high and value.strip().isdecimal():
                raise ValidationError(self.error_messages["unclear"], code="unclear")
            if share > 1:
                share /= 100
        return None if share is None else round(share, DIGITS)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value is not None and not self.low <= value <= self.high:
            told = {"low": as_percent(self.low), "high": as_percent(self.high)}
            raise ValidationError(
                _("A share from %(low)s to %(high)s is meant; write it with its sign, as 95 %%."), params=told
            )
