"""The pages of this room: the public one, the worker's, the owner's."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from labeling.owner_urls import owner_pages
from labeling.views import home, worker

worker_pages: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("label/", worker.projects, name="label-projects"),
]
pages: list[URLPattern | URLResolver] = [*worker_pages, *owner_pages]
