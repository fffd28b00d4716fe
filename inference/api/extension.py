"""What a copy of a project takes over from this room: how it serves."""

from __future__ import annotations

from typing import Any

from inference import services
from labeling.api.extensions import ProjectExtension
from labeling.models import Project


def _copy(project: Project, copy: Project, user: Any) -> None:
    services.copy_settings(project=project, copy=copy, user=user)


SERVING = ProjectExtension(copy=_copy)
