"""Forms of the training pages: parsing only; rules are in the services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from labeling import audit
from labeling.forms.changes import ChangesForm
from labeling.forms.shares import ShareField
from labeling.models import Project
from training.learning.networks import weights
from training.learning.networks.backbones import BACKBONES
from training.models import Recipe, TrainingPolicy
from training.services.policies import FIELDS
from training.zoo import table
from training.zoo.catalogue import CHAMPION


def backbone_choices(project: Project) -> list[tuple[str, str]]:
    """Those whose weights are here first; the others say that they are not."""
    entries = table.entries(settings.KERAS_HOME, project)
    best = weights.best_available(settings.KERAS_HOME)
    here = [(entry.key, entry.title) for entry in entries if entry.is_usable]
    none_here = _("%(title)s (no weights here)")
    away = [(entry.key, none_here % {"title": entry.title}) for entry in entries if not entry.is_usable]
    auto = ("auto", _("The best that is here (%(title)s)") % {"title": BACKBONES[best].title})
    return [auto, (CHAMPION, str(_("What the champion has learned"))), *here, *away]


def _choice(form: forms.BaseForm, name: str) -> forms.ChoiceField:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    return field


BACKBONE = _("The pretrained network to start from.")
RECIPE = _(
    "Feature extraction leaves the network as it is: it takes few labels and little time. Fine-tuning retrains its end,"
    " too: it takes at least 60 images and far longer, and may know more then."
)
AUGMENTATION = _(
    "Learn from changed copies of each image, too: cropped, turned a little, lighter or darker, and mirrored where that"
    " is ticked."
)
MIRROR = _("Of augmentation. Not where left and right make the difference, as in writing, digits and signs.")


class RunForm(forms.Form):
    """Train now."""

    backbone = forms.ChoiceField(label=_("Backbone"), help_text=BACKBONE)
    recipe = forms.ChoiceField(label=_("Recipe"), choices=Recipe.choices, help_text=RECIPE)
    augmentation = forms.BooleanField(label=_("Augmentation"), required=False, help_text=AUGMENTATION)
    mirror = forms.BooleanField(label=_("Mirror copies"), required=False, initial=True, help_text=MIRROR)

    def __init__(self, *args: Any, project: Project, **options: Any) -> None:
        super().__init__(*args, **options)
        _choice(self, "backbone").choices = backbone_choices(project)


class PolicyForm(ChangesForm, forms.ModelForm):
    """When and how to train without being asked."""

    field_order = ("automatic_training",)
    backbone = forms.ChoiceField(label=_("Backbone"))
    min_labels_per_category = forms.IntegerField(label=_("Labels per category, at least"), min_value=2)
    min_new_labels = forms.IntegerField(label=_("New labels, at least"), min_value=1)
    min_new_share = ShareField(label=_("New labels, at least this share of all"))

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("auto_id", "policy_%s")  # RunForm, on the same page, has some of these names
        super().__init__(*args, **options)
        _choice(self, "backbone").choices = backbone_choices(self.instance.project)

    @property
    def backbone_name(self) -> str:
        key = self.instance.backbone
        return dict(backbone_choices(self.instance.project)).get(key, key)

    class Meta:
        model = TrainingPolicy
        fields = FIELDS
        labels = {
            "automatic_training": _("Train by itself"),
            "recipe": _("Recipe"),
            "augmentation": _("Augmentation"),
            "mirror": _("Mirror copies"),
            "soft_labels": _("Learn how sure the crowd was"),
            "quiet_seconds": _("Quiet seconds after the last label"),
            "max_age_hours": _("Train again after (hours)"),
            "daily_at": _("Train each day at (UTC)"),
        }
        widgets: dict[str, Any] = {"daily_at": forms.TimeInput(attrs={"type": "time"})}


audit.FIELDS.update({name: field.label for name, field in PolicyForm.base_fields.items()})
audit.SHARES.add("min_new_share")
audit.VALUES["recipe"] = dict(Recipe.choices)
