"""Forms of the serving page."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inference.models import Deployment
from inference.services.deploying import FIELDS
from labeling import audit
from labeling.accounts.keys import SCOPE_NAMES
from labeling.forms.changes import ChangesForm
from labeling.forms.shares import ShareField


class DeploymentForm(ChangesForm, forms.ModelForm):
    """Settings of serving; the verb checks them again."""

    challenger_share = ShareField(high=0.5, label=_("Challenger's share of the traffic"))
    random_share = ShareField(
        label=_("Random share of the next tasks"), help_text=_("Share of the crowd's next tasks drawn at random.")
    )
    sample_rate = ShareField(
        label=_("Share of requests that may be kept"), help_text=_("Share of the requests' images that may be kept.")
    )
    error_bound = ShareField(
        low=0.001,
        high=0.999,
        label=_("Wrong labels allowed"),
        help_text=_("Wrong labels that the model may add, as a share."),
    )

    class Meta:
        model = Deployment
        fields = FIELDS
        labels = {
            "challenger_mode": _("Challenger"),
            "sample_quota": _("Kept images a day"),
            "retention_days": _("Days that unlabeled images are kept"),
            "auto_label": _("Let the champion label what it is sure of"),
            "drift_trains": _("Drift makes the next training come sooner"),
        }


audit.FIELDS.update({name: field.label for name, field in DeploymentForm.base_fields.items()})
audit.SHARES.update(name for name, field in DeploymentForm.base_fields.items() if isinstance(field, ShareField))
audit.VALUES["challenger_mode"] = dict(Deployment.Challenger.choices)


class KeyForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("What uses it: my website, the phone app."))
    scopes = forms.MultipleChoiceField(
        label=pgettext_lazy("what a key allows", "May"),
        choices=list(SCOPE_NAMES.items()),
        initial=["predict"],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("To manage includes making keys and adding people: such a key can get whatever its person may."),
    )
    per_minute = forms.IntegerField(
        label=_("Images a minute"), help_text=_("Empty: no limit."), required=False, min_value=1, max_value=10**9
    )
    per_day = forms.IntegerField(
        label=_("Images a day"), help_text=_("Empty: no limit."), required=False, min_value=1, max_value=10**9
    )
    days = forms.IntegerField(
        label=_("Ends after days"), help_text=_("Empty: never."), required=False, min_value=1, max_value=3650
    )
