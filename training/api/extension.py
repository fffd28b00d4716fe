"""The training policy's fields in a project's own body: ``backbone``, ``recipe``, ``augmentation``, …"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from labeling.api.choices import Choice
from labeling.api.extensions import ProjectExtension
from labeling.models import Project
from training import services
from training.api.serializers import BackboneField
from training.models import Recipe, TrainingPolicy

FIELDS = ("backbone", "recipe", "augmentation", "automatic_training")


def _fields() -> dict[str, serializers.Field]:
    return {
        "backbone": BackboneField(
            required=False, max_length=60, help_text="A key of /api/v1/backbones/, auto, or champion."
        ),
        "recipe": Choice(choices=Recipe.choices, required=False),
        "augmentation": serializers.BooleanField(required=False),
        "automatic_training": serializers.BooleanField(required=False),
    }


def _read(project: Project) -> dict[str, Any]:
    policy = TrainingPolicy.of(project)
    return {name: getattr(policy, name) for name in FIELDS}


def _write(project: Project, user: Any, values: Mapping[str, Any]) -> None:
    services.set_policy(project=project, changes=dict(values), user=user)


def _copy(project: Project, copy: Project, user: Any) -> None:
    services.copy_policy(project=project, copy=copy, user=user)


POLICY = ProjectExtension(fields=_fields, read=_read, write=_write, copy=_copy, archive=services.cancel_runs)
