"""Worker-side: a version as a file that other programs load; see training.learning.export."""

from __future__ import annotations

from typing import Any

from labeling.errors import CrowdtuneError
from labeling.jobs import Report
from labeling.models import Job


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of a ``download`` job."""
    raise CrowdtuneError("not_ready", f"The format {job.arguments['format']} cannot be made yet.", 409)
