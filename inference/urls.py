"""The addresses of this room: its part of the API, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from inference import api
from inference.page_urls import pages

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/predict/", api.PredictView.as_view(), name="api-predict"),
    path("projects/<slug:slug>/explain/", api.ExplainView.as_view(), name="api-explain"),
]
urlpatterns = pages
v2_urlpatterns: list[URLPattern | URLResolver] = []
