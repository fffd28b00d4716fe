"""Labels leave through a background job."""

from __future__ import annotations

from typing import Any

from labeling import jobs
from labeling.actors import export_labels
from labeling.errors import CrowdtuneError
from labeling.export import FORMATS
from labeling.models import Job, Project
from labeling.text.words import gettext as _

OPTIONS = ("judgments", "images", "final", "excel")


def start_export(*, project: Project, into: str, user: Any, options: dict[str, Any] | None = None) -> Job:
    """Start writing the project's labels in one of FORMATS; the job's result has the file's address.

    The job that is there where the same person has asked for the same and it has not begun yet.

    Args:
        options: ``images``: the pictures go into the file; ``judgments``: raw judgments instead of labels (csv);
            ``final``: only labels of retired tasks; ``excel``: the file begins with a byte-order mark (csv).

    Raises:
        CrowdtuneError: invalid, when there is no such format or option.
    """
    if into not in FORMATS:
        raise CrowdtuneError(
            "invalid",
            _("format must be one of %(formats)s; got %(value)s.")
            % {"formats": ", ".join(FORMATS), "value": repr(into)},
        )
    unknown = sorted(set(options or {}) - set(OPTIONS))
    if unknown:
        raise CrowdtuneError(
            "invalid",
            _("options are %(options)s; got %(unknown)s.")
            % {"options": ", ".join(OPTIONS), "unknown": ", ".join(unknown)},
        )
    arguments = {"format": into, "options": {name: bool(value) for name, value in (options or {}).items()}}
    return jobs.start(
        project=project,
        kind="export",
        arguments=arguments,
        requested_by=user,
        actor=export_labels,
        even_archived=True,
        once=True,
    )
