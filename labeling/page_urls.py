"""The pages of this room: the public one, the worker's, the owner's."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import URLPattern, URLResolver, path

from labeling.api.extensions import ProjectExtension
from labeling.owner_urls import owner_pages
from labeling.views import grid, home, media, person, stream, worker

worker_pages: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("media/<str:signature>/<path:name>", media.media, name="media"),
    path("profile/", person.profile, name="profile"),
    path("profile/keys/", person.make_key, name="key-new"),
    path("profile/keys/<int:key_id>/delete/", person.delete_key, name="key-delete"),
    path("profile/earnings.csv", person.earnings, name="earnings"),
    path("join/<str:token>/", person.invitation, name="invitation"),
    path("label/", worker.projects, name="label-projects"),
    path("label/<slug:slug>/", worker.stream, name="label-project"),
    path("label/<slug:slug>/start/", worker.start, name="label-start"),
    path("label/<slug:slug>/language/", worker.choose_language, name="label-language"),
    path("label/<slug:slug>/warning/", worker.read_warning, name="label-warning"),
    path("label/<slug:slug>/appeal/", person.appeal, name="label-appeal"),
    path("label/<slug:slug>/grid/", grid.grid, name="label-grid"),
    path("label/<slug:slug>/next/", stream.next_tasks, name="label-next"),
    path("label/<slug:slug>/undo/", stream.undo, name="label-undo"),
    path("label/<slug:slug>/choices/", stream.choices, name="label-choices"),
]


def pages(extensions: Sequence[ProjectExtension] = ()) -> list[URLPattern | URLResolver]:
    """All pages; ``extensions`` are what other rooms keep of a project."""
    return [*worker_pages, *owner_pages(extensions)]
