"""The addresses of this room: its part of the API, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from training.api import bakeoffs, models, runs
from training.page_urls import pages

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/training-runs/", runs.ProjectRuns.as_view()),
    path("projects/<slug:slug>/training-policy/", runs.Policy.as_view()),
    path("projects/<slug:slug>/training-runs/next/", runs.NextRun.as_view()),
    path("training-runs/<uuid:run_id>/", runs.OneRun.as_view()),
    path("training-runs/<uuid:run_id>/cancel/", runs.CancelRun.as_view()),
    path("projects/<slug:slug>/bake-offs/", bakeoffs.BakeOffs.as_view()),
    path("projects/<slug:slug>/bake-offs/<uuid:job_id>/", bakeoffs.OneBakeOff.as_view()),
    path("projects/<slug:slug>/bake-offs/<uuid:job_id>/use/", bakeoffs.UseCandidate.as_view()),
    path("projects/<slug:slug>/models/", models.ProjectModels.as_view()),
    path("projects/<slug:slug>/models/rollback/", models.Rollback.as_view()),
    path("projects/<slug:slug>/models/<int:version>/", models.OneModel.as_view()),
    path("projects/<slug:slug>/models/<int:version>/promote/", models.Promote.as_view()),
    path("projects/<slug:slug>/models/<int:version>/challenge/", models.Challenge.as_view()),
    path("backbones/", models.Backbones.as_view()),
]
urlpatterns = pages
