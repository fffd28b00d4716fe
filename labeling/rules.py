"""Rules for workers, as data. Worker-side."""

from __future__ import annotations

from labeling.models import Project


def apply(*, project: Project, worker_id: int, task_id: int) -> None:
    """Judge the worker's record by the project's rules after an answer."""
    if not project.rule_count:
        return
