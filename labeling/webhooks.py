"""Telling other programs what happened. Worker-side."""

from __future__ import annotations

from typing import Any

from labeling.models import Project


def emit(*, project: Project, event: str, payload: dict[str, Any]) -> None:
    """Queue a delivery to every webhook of the project that asked for this event."""
    if not project.webhook_count:
        return
