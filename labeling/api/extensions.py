"""How a higher room adds fields to a project's body: data that the wiring hands down, so imports still flow down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from labeling.models import Project


@dataclass(frozen=True)
class ProjectExtension:
    """Fields of a project that another room keeps.

    Args:
        fields: Makes the serializer fields, new ones at each call; each must be ``required=False``.
        read: The values of one project, for the answer.
        write: Keeps values that came (only those that did); runs in the transaction of the project's own change, and
            raises a CrowdtuneError to refuse.
    """

    fields: Callable[[], Mapping[str, serializers.Field]]
    read: Callable[[Project], Mapping[str, Any]]
    write: Callable[[Project, Any, Mapping[str, Any]], None]
