"""The pages of a project's owner, managers and reviewers: ``/projects/…``. Views parse, call and render."""
