"""What a higher room keeps of a project: fields of its body, what a copy takes over, what ends when it is archived.

Data that the wiring hands down, so imports still flow down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        copy: Gives a copy of a project what the room keeps of it: (project, copy, user), in the copy's transaction.
        archive: Ends what the room has under way for a project that is archived, in the transaction of that.
    """

    copy: Callable[[Project, Project, Any], object]
    archive: Callable[[Project], object] = field(default=lambda _project: None)
    fields: Callable[[], Mapping[str, serializers.Field]] = dict
    read: Callable[[Project], Mapping[str, Any]] = field(default=lambda _project: {})
    write: Callable[[Project, Any, Mapping[str, Any]], object] = field(default=lambda *_given: None)
