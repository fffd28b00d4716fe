"""The addresses of this room: its part of the API, and its pages."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import URLPattern, URLResolver

from labeling.api.extensions import ProjectExtension
from labeling.api.routes import routes
from labeling.page_urls import pages


def api_urlpatterns(extensions: Sequence[ProjectExtension] = ()) -> list[URLPattern]:
    """This room's API; ``extensions`` are the fields of a project that higher rooms keep."""
    return routes(extensions)


def page_urlpatterns(extensions: Sequence[ProjectExtension] = ()) -> list[URLPattern | URLResolver]:
    """This room's pages; ``extensions`` as above."""
    return pages(extensions)
