"""Pictures that come in through a page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms.project import MultipleFileField


class AddImagesForm(forms.Form):
    uploads = MultipleFileField(required=False, label=_("Files"))
    urls = forms.CharField(
        required=False,
        label=_("Addresses"),
        help_text=_("One per line. They are fetched in the background, within limits."),
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "https://example.org/cat.jpg"}),
    )

    s3 = forms.CharField(required=False, label=_("Or a folder of a bucket"))
    manifest = forms.FileField(required=False, label=_("List of images (CSV or JSON Lines)"))
    labels_as = forms.ChoiceField(
        required=False,
        label=_("Labels of the list"),
        choices=[
            ("gold", _("As gold: known to be right, they measure workers")),
            ("suggestions", _("As suggestions, shown beside the question")),
            ("judgments", _("As one person's judgments")),
        ],
    )

    def clean_urls(self) -> list[str]:
        """All lines where one is an address: what the others are worth is told line by line in the job's report."""
        lines = [line.strip() for line in self.cleaned_data["urls"].splitlines() if line.strip()]
        if lines and not any(line.startswith(("http://", "https://")) for line in lines):
            raise forms.ValidationError(_("Each line must be an address that starts with http:// or https://."))
        return lines

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and not any(data.get(name) for name in ("uploads", "urls", "s3", "manifest")):
            raise forms.ValidationError(_("Choose some files, or paste addresses that start with http."))
        return data
