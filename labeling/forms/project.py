"""A new project: the few things that have no good default."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.models import MOST_JUDGMENTS, Project
from labeling.surveys.starters import STARTERS


class MultipleFileInput(forms.FileInput):
    """Each file with the folders that the browser knows it from: of a file's own name they are cut off."""

    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        found = super().value_from_datadict(data, files, name)
        paths = data.getlist("paths")
        for file, path in zip(found, paths if len(paths) == len(found) else (), strict=False):
            file.folders = [part for part in path.split("/")[:-1] if part not in {"", ".", ".."}]
        return found


class MultipleFileField(forms.FileField):
    """Any number of files; the cleaned value is a list. An empty one keeps no other out: the import tells of it."""

    widget = MultipleFileInput

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_empty_file=True, **options)

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, list | tuple) else [data] if data else []
        if not files:
            super().clean(None, initial)
            return []
        return [super(MultipleFileField, self).clean(file, initial) for file in files]


def names_of(text: str) -> list[str]:
    """Names typed or pasted: one a line, or parted by commas, semicolons or tabs; each once, in their order."""
    parts = re.split(r"[\n\r\t;,]+", text)
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


class NewProjectForm(forms.Form):
    name = forms.CharField(max_length=200, label=gettext_lazy("Name"))
    starter = forms.ChoiceField(
        choices=[(key, starter.name) for key, starter in STARTERS.items()],
        initial="single_choice",
        label=gettext_lazy("What is asked"),
        widget=forms.RadioSelect,
    )
    prompt = forms.CharField(max_length=500, required=False, label=gettext_lazy("The question, as a worker reads it"))
    categories = forms.CharField(
        required=False,
        label=gettext_lazy("Categories"),
        help_text=gettext_lazy("One per line, or separated by commas. Paste a long list if you have one."),
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": gettext_lazy("cat, dog, rabbit")}),
    )
    judgments_min = forms.IntegerField(
        min_value=1,
        max_value=MOST_JUDGMENTS,
        initial=3,
        label=gettext_lazy("People per image, at least"),
    )
    judgments_max = forms.IntegerField(
        min_value=1,
        max_value=MOST_JUDGMENTS,
        initial=7,
        label=gettext_lazy("and at most"),
        help_text=gettext_lazy("More are asked only while the answer is not sure enough."),
    )
    access = forms.ChoiceField(
        choices=Project.Access,
        initial=Project.Access.INVITED,
        label=gettext_lazy("Who may label"),
    )
    uploads = MultipleFileField(
        required=False,
        label=gettext_lazy("Images"),
        help_text=gettext_lazy("Pictures, or one zip or tar. You can add more at any time."),
    )

    def clean_categories(self) -> list[str]:
        return names_of(self.cleaned_data["categories"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        starter = STARTERS.get(data.get("starter", ""))
        if starter and len(data.get("categories") or []) < starter.needs_categories:
            message = (
                _("Name at least two categories.") if starter.needs_categories > 1 else _("Name at least one category.")
            )
            self.add_error("categories", message)
        least, most = data.get("judgments_min"), data.get("judgments_max")
        if least and most and most < least:
            self.add_error("judgments_max", _("This must not be below the least number of people."))
        return data
