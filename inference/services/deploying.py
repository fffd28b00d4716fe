"""How a project serves: settings, changed by people and written down; and what people say about answers."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from inference.engine.routing import routes
from inference.feedback import sampling
from inference.models import Deployment
from inference.services.predicting import content_key, version_for
from labeling import audit
from labeling.errors import CrowdtuneError
from labeling.models import Image, Project
from labeling.text.words import gettext as _

FIELDS = (
    "challenger_mode", "challenger_share", "random_share", "sample_rate", "sample_quota", "retention_days",
    "auto_label", "error_bound", "drift_trains",
)  # fmt: skip
audit.ACTIONS.update(
    serving_changed=gettext_lazy("Changed how the project serves"),
    auto_label_stopped=gettext_lazy("Stopped labeling by the model"),
    key_rotated=gettext_lazy("Replaced a key"),
)


def configure(*, project: Project, changes: dict[str, Any], user: Any) -> Deployment:
    """Change what is given, keep the rest; the audit log says who.

    Raises:
        CrowdtuneError: invalid, an unknown field or a value out of range.
    """
    unknown = sorted(set(changes) - set(FIELDS))
    if unknown:
        raise CrowdtuneError(
            "invalid",
            _("Unknown fields %(unknown)s; known are %(fields)s.")
            % {"unknown": ", ".join(unknown), "fields": ", ".join(FIELDS)},
        )
    with transaction.atomic():
        Deployment.objects.get_or_create(project=project)
        row = Deployment.objects.select_for_update().get(pk=project.pk)
        changed = audit.differences(row, changes)
        for name, value in changes.items():
            setattr(row, name, value)
        if changes.get("auto_label"):
            row.auto_label_stopped = row.auto_label_waits = ""
            if "auto_label" in changed:  # a failed audit is not held against those who begin again
                row.auto_label_since = timezone.now()
        _check(row)
        row.save()
        if changed:
            audit.write(project=project, user=user, action="serving_changed", changes=changed)
        transaction.on_commit(lambda: routes.forget(project.pk))
    return row


def copy_settings(*, project: Project, copy: Project, user: Any) -> None:
    """Have ``copy`` serve as ``project`` does, where anybody has changed how that is."""
    row = Deployment.objects.filter(pk=project.pk).first()
    if row is not None:
        configure(project=copy, changes={name: getattr(row, name) for name in FIELDS}, user=user)


def _check(row: Deployment) -> None:
    try:
        row.full_clean(exclude=["project", "scored_version"])
    except ValidationError as error:
        fields = {name: list(texts) for name, texts in error.message_dict.items()}
        raise CrowdtuneError("invalid", _("Some settings of serving are out of range."), fields=fields) from error


def report_wrong(*, project: Project, data: bytes, user: Any) -> tuple[Image, bool]:
    """A person says that the answer to this picture is wrong; see ``sampling.keep_wrong``.

    Raises:
        NoChampion: None was given.
    """
    version = version_for(routes.get(project.pk), content_key([data]))  # the challenger answers its share here, too
    return sampling.keep_wrong(project=project, data=data, user=user, version=version)
