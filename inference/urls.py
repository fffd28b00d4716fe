"""The addresses of this room: its part of the API, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

from inference.page_urls import pages

api_urlpatterns: list[URLPattern | URLResolver] = []
urlpatterns = pages
v2_urlpatterns: list[URLPattern | URLResolver] = []
