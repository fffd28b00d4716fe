"""The owner's pages: ``/projects/…``."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from labeling.views.owner import overview, projects

owner_pages: list[URLPattern | URLResolver] = [
    path("projects/", projects.project_list, name="project-list"),
    path("projects/<slug:slug>/", overview.overview, name="project-overview"),
    path("projects/<slug:slug>/activity/", overview.activity, name="project-activity"),
]
