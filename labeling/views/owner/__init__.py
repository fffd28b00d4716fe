"""The pages of a project's owner, managers and reviewers: ``/projects/…``. Views parse, call and render."""

from __future__ import annotations

from labeling.views.owner.context import load_project, project_context, refusals

__all__ = ["load_project", "project_context", "refusals"]
