"""A form of settings that asks for what a person changed alone; the rest may be another tab's or manager's by now."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.serializers.json import DjangoJSONEncoder

from labeling.text import bodies


class ChangesForm(forms.BaseForm):
    """Its page sends ``shown`` back in a hidden field of that name."""

    @property
    def shown(self) -> str:
        """What the page showed first, for it to send back: see ``changes``."""
        if self.is_bound:
            return str(self.data.get("shown", ""))
        return json.dumps(self.initial, cls=DjangoJSONEncoder)

    def changes(self) -> dict[str, Any]:
        """What the person changed; the rest stays as it is now, which another tab or manager may have set since."""
        try:
            shown = bodies.loads(self.shown)
        except ValueError:
            shown = None
        if not isinstance(shown, dict):
            return dict(self.cleaned_data)
        return {name: value for name, value in self.cleaned_data.items() if not self._is_as_shown(name, shown)}

    def _is_as_shown(self, name: str, shown: dict[str, Any]) -> bool:
        try:
            return name in shown and bool(self.fields[name].clean(shown[name]) == self.cleaned_data[name])
        except forms.ValidationError:
            return False
