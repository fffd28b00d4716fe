"""The pages of this room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from inference import key_pages, pool_pages, views

pages: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/playground/", views.playground, name="project-playground"),
    path("projects/<slug:slug>/playground/wrong/", views.wrong, name="project-playground-wrong"),
    path("projects/<slug:slug>/serving/", views.serving, name="project-serving"),
    path("projects/<slug:slug>/serving/images/", pool_pages.pool, name="project-serving-images"),
    path("projects/<slug:slug>/serving/settings/", views.configure, name="project-serving-settings"),
    path("projects/<slug:slug>/serving/answers/", views.answers, name="project-serving-answers"),
    path("projects/<slug:slug>/serving/download/", views.download, name="project-serving-download"),
    path("projects/<slug:slug>/serving/downloads/", views.downloads, name="project-serving-downloads"),
    path("projects/<slug:slug>/settings/keys/", key_pages.keys, name="project-keys"),
    path("projects/<slug:slug>/settings/keys/<int:pk>/", key_pages.change_key, name="project-key"),
]
