"""The settings of a project, as a page sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling import audit
from labeling.accounts.languages import LANGUAGES
from labeling.aggregation import AGGREGATORS
from labeling.collecting.rules import SHARES
from labeling.consensus.stopping import POLICIES
from labeling.files.imaging import TYPES
from labeling.forms.changes import ChangesForm
from labeling.forms.project import names_of
from labeling.forms.shares import ShareField, ThresholdField
from labeling.models import MOST_INSTRUCTIONS, MOST_JUDGMENTS, Project, Rule
from labeling.surveys import tongues

AGGREGATOR_NAMES = {
    "adaptive": _("Adaptive (trust it on any crowd)"),
    "majority": _("Majority"),
    "weighted_majority": _("Weighted majority"),
    "one_coin": _("One coin"),
    "dawid_skene": _("Dawid-Skene"),
    "mace": _("MACE"),
}

POLICY_NAMES = {
    "fixed": _("Always the least number of people, and no more"),
    "confidence": _("As soon as the label is sure enough"),
    "imagenet": _("ImageNet's confidence table, by category"),
}


class LinesField(forms.CharField):
    """Lines of text as the API stores them: browsers end each with CR and LF, and a text would look changed."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class SettingsForm(ChangesForm, forms.Form):
    """Every field is a setting of ``change_project``, under its own name."""

    name = forms.CharField(max_length=200, label=_("Name"))
    instructions = LinesField(
        required=False,
        max_length=MOST_INSTRUCTIONS,
        label=_("Instructions"),
        help_text=_("What a worker reads first: what counts, what does not, what to do in doubt."),
        widget=forms.Textarea(attrs={"rows": 8}),
    )
    access = forms.ChoiceField(choices=Project.Access, label=_("Who may label"))
    languages = forms.MultipleChoiceField(
        choices=LANGUAGES,
        required=False,
        label=_("Languages"),
        help_text=_("Of the questions and instructions. People who read one of them are shown the project first."),
        widget=forms.CheckboxSelectMultiple,
    )
    is_paused = forms.BooleanField(
        required=False, label=_("Paused"), help_text=_("Nobody is handed a task while this is set.")
    )
    judgments_min = forms.IntegerField(min_value=1, max_value=MOST_JUDGMENTS, label=_("People per image, at least"))
    judgments_max = forms.IntegerField(
        min_value=1,
        max_value=MOST_JUDGMENTS,
        label=_("People per image, at most"),
        help_text=_("Tasks that have ended stay so: Change tasks, on the Labels page, asks more people about them."),
    )
    confidence = ShareField(
        low=0.5,
        high=0.9999,
        label=_("Sure enough at"),
        help_text=_("A task ends when its label is at least this probable, from 50 % to 99.99 %."),
    )
    aggregator = forms.ChoiceField(
        label=_("How answers are combined"), help_text=_("The plain majority is always shown beside it.")
    )
    stopping = forms.ChoiceField(
        label=_("When it is enough"),
        help_text=_(
            "ImageNet's table is learned from images that ten or more people have answered; for what it has not seen, "
            "the label's probability decides."
        ),
    )
    lease_seconds = forms.IntegerField(
        min_value=1,
        max_value=7 * 86_400,
        label=_("Seconds to answer"),
        help_text=_("Then the task goes to somebody else."),
    )
    gold_rate = ShareField(
        label=_("Share of hidden gold"),
        help_text=_(
            "Of the tasks that a worker is handed, where there is gold. Where people err on it together, labels count "
            "as less sure."
        ),
    )
    qualification_share = ShareField(
        label=_("Share to pass the test"),
        help_text=_("Of the gold that is used as a qualification test: four of five right is 80 %."),
    )
    show_suggestions = forms.BooleanField(required=False, label=_("Show the model's answer as a suggestion"))
    blind_share = ShareField(
        label=_("Share without suggestion"),
        help_text=_("Of the tasks: the answers to these tell how much a suggestion sways people."),
    )
    price_per_judgment = forms.DecimalField(
        min_value=0,
        max_digits=8,
        decimal_places=4,
        label=_("Price of a judgment"),
        help_text=_("For the figures and the budget; nobody is paid here."),
    )
    budget = forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=2,
        label=_("Budget"),
        help_text=_("Tasks end when the judgments have used it up. Empty: no limit."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, known, words in (
            ("aggregator", AGGREGATORS, AGGREGATOR_NAMES),
            ("stopping", POLICIES, POLICY_NAMES),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(key, words.get(key, key)) for key in known]

    @classmethod
    def of(cls, project: Project, data: Any = None) -> SettingsForm:
        """``data`` is what was sent. A language that only a translation or a program has named can stay, or go."""
        form = cls(
            data, initial=None if data is not None else {name: getattr(project, name) for name in cls.base_fields}
        )
        field = form.fields["languages"]
        assert isinstance(field, forms.MultipleChoiceField)
        more = [code for code in project.languages if code not in dict(LANGUAGES)]
        field.choices = [*LANGUAGES, *((code, tongues.NAMES.get(code, code)) for code in more)]
        if project.in_stages:
            form.fields["gold_rate"].help_text = _(
                "Of the tasks that a worker is handed. Gold is made by itself of covered images, as much as this share "
                "needs. 0: none is made or asked."
            )
        return form


class RuleForm(forms.ModelForm):
    class Meta:
        model = Rule
        fields = ("measure", "window", "comparison", "threshold", "action", "value", "message")
        field_classes = {"threshold": ThresholdField}
        labels = {
            "measure": _("If"),
            "window": _("Over the last"),
            "comparison": _("Comparison"),
            "threshold": _("Threshold"),
            "action": _("Then"),
            "value": _("With"),
            "message": _("What the worker reads"),
        }
        help_texts = {
            "threshold": _("A share, as 0.6 or 60 %; seconds; or a number in a row, by what is measured."),
            "action": _(
                "Training is the practice round: what is left of it, else all of it once more. "
                "Without practice, workers are warned."
            ),
            "message": "",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("measure", "action"):  # nothing is chosen for the owner; the row of dashes says too little
            control: Any = self.fields[name].widget
            control.choices = [(key, text if key else _("Choose…")) for key, text in control.choices]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "%" in self.data.get("threshold", "") and cleaned.get("measure") not in {None, *SHARES}:
            self.add_error("threshold", _("Only a share is written with %: this measure is a number."))
        return cleaned


audit.FIELDS.update({name: field.label for name, field in SettingsForm.base_fields.items()})
audit.SHARES.update(name for name, field in SettingsForm.base_fields.items() if isinstance(field, ShareField))
audit.FIELDS.update(RuleForm.Meta.labels)
audit.VALUES.update(aggregator=AGGREGATOR_NAMES, stopping=POLICY_NAMES, languages=dict(LANGUAGES))


class CategoriesForm(forms.Form):
    """One category a line: ``key | name | parent | WordNet id | description``; all but the key may be left out.

    Args:
        rows: The stored ones. A line that still says one of them means it as it is: a name with a bar or a description
            of several lines would not come out of the line again.
    """

    text = forms.CharField(
        required=False,
        label=_("Categories"),
        help_text=_("One per line: key | name | parent's key | WordNet id | description. Only the key is needed."),
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "class": "mono"}),
    )

    def __init__(self, data: Any, *, rows: Sequence[dict[str, Any]]) -> None:
        super().__init__(data, initial={"text": "\n".join(map(_line, rows))})
        self.stored = {_line(row): row for row in rows}

    def clean_text(self) -> list[dict[str, Any]]:
        text = self.cleaned_data["text"].strip()
        if "|" not in text and "\n" not in text and text not in self.stored:
            return [{"key": name} for name in names_of(text)]
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return [self.stored.get(line) or _category(line) for line in lines]


class CategoryForm(forms.Form):
    """One category; every field is one of ``change_category``'s."""

    name = forms.CharField(max_length=200, label=_("Name"), help_text=_("What workers read."))
    description = LinesField(
        required=False,
        max_length=2000,
        label=_("Description"),
        help_text=_("What counts as it, and what does not. Workers read it beside the examples."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    parent = forms.CharField(
        required=False,
        max_length=100,
        label=_("Parent"),
        help_text=_("The key of the category above it; empty for the top."),
        widget=forms.TextInput(attrs={"list": "category-keys", "autocomplete": "off", "spellcheck": "false"}),
    )
    wordnet_id = forms.CharField(
        required=False,
        max_length=20,
        label=_("WordNet id"),
        help_text=_("As ImageNet names it, such as n02084071."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )

    def clean_parent(self) -> str | None:
        return self.cleaned_data["parent"].strip() or None


class ExampleForm(forms.Form):
    """A picture that shows what a category means."""

    image = forms.FileField(label=_("Picture"), widget=forms.FileInput(attrs={"accept": TYPES}))
    alt = forms.CharField(
        required=False,
        max_length=300,
        label=_("What it shows"),
        help_text=_("Read aloud to workers who cannot see it."),
    )


FIELDS = ("key", "name", "parent", "wordnet_id", "description")


def _category(line: str) -> dict[str, str]:
    parts = [part.strip() for part in line.split("|", len(FIELDS) - 1)]
    return {name: part for name, part in zip(FIELDS, parts, strict=False) if part}


def _line(row: dict[str, Any]) -> str:
    """A stored category as a line of the form; trailing empty columns are left out."""
    parts = [" ".join(str(row.get(name) or "").split()) for name in FIELDS]
    if parts[1] == parts[0]:
        parts[1] = ""
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return " | ".join(parts)
