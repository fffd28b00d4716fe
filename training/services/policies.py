"""When and how a project trains by itself."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from labeling import audit
from labeling.models import Project
from labeling.text.words import gettext as _
from training.errors import BadRequest
from training.models import TrainingPolicy
from training.runs.queueing import check_choice
from training.zoo import catalogue

FIELDS = (
    "backbone",
    "recipe",
    "augmentation",
    "mirror",
    "automatic_training",
    "soft_labels",
    "min_labels_per_category",
    "min_new_labels",
    "min_new_share",
    "quiet_seconds",
    "max_age_hours",
    "daily_at",
)
audit.ACTIONS["training_policy"] = gettext_lazy("Changed when and how to train")


@transaction.atomic
def set_policy(*, project: Project, changes: dict[str, Any], user: Any = None) -> TrainingPolicy:
    """Change what is given, keep the rest.

    Raises:
        BadRequest: An unknown field, backbone or recipe.
    """
    for name in changes:
        if name not in FIELDS:
            raise BadRequest(
                _("%(name)s is no field of the training policy; those are %(fields)s.")
                % {"name": name, "fields": ", ".join(FIELDS)},
                name,
            )
    check_choice(project=project, backbone=changes.get("backbone"), recipe=changes.get("recipe"))
    policy, _created = TrainingPolicy.objects.select_for_update().get_or_create(project=project)
    changed = audit.differences(policy, changes)
    for name, value in changes.items():
        setattr(policy, name, value)
    policy.seen = ""  # the next check answers anew
    policy.full_clean(exclude=["project"])
    policy.save()
    if changed:
        audit.write(project=project, user=user, action="training_policy", changes=changed)
    return policy


def copy_policy(*, project: Project, copy: Project, user: Any = None) -> TrainingPolicy:
    """Have ``copy`` train when and how ``project`` does; a network that is that project's alone stays its own."""
    policy = TrainingPolicy.of(project)
    changes = {name: getattr(policy, name) for name in FIELDS}
    if policy.backbone not in catalogue.RESERVED and not catalogue.may_use(policy.backbone, copy):
        changes["backbone"] = "auto"
    return set_policy(project=copy, changes=changes, user=user)


@transaction.atomic
def report_drift(*, project: Project, reason: str) -> TrainingPolicy:
    """Serving says that the pictures asked about differ from those learned: the next run needs fewer new labels."""
    policy, _created = TrainingPolicy.objects.update_or_create(
        project=project, defaults={"drift_at": timezone.now(), "drift_reason": reason, "seen": ""}
    )
    return policy
