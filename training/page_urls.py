"""The pages of this room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from training.views import bakeoff, insights, models, training, zoo

project_pages: list[URLPattern | URLResolver] = [
    path("training/", training.training, name="project-training"),
    path("training/live/", training.live, name="project-training-live"),
    path("training/summary/", training.summary, name="project-training-summary"),
    path("training/start/", training.start, name="project-training-start"),
    path("training/policy/", training.policy, name="project-training-policy"),
    path("training/runs/<uuid:run_id>/", training.run, name="project-training-run"),
    path("training/runs/<uuid:run_id>/live/", training.run_live, name="project-training-run-live"),
    path("training/runs/<uuid:run_id>/cancel/", training.cancel, name="project-training-run-cancel"),
    path("training/compare/", bakeoff.bake_off, name="project-bake-off"),
    path("training/compare/live/", bakeoff.live, name="project-bake-off-live"),
    path("training/compare/start/", bakeoff.start, name="project-bake-off-start"),
    path("training/compare/<uuid:job_id>/use/", bakeoff.use, name="project-bake-off-use"),
    path("training/compare/<uuid:job_id>/cancel/", bakeoff.cancel, name="project-bake-off-cancel"),
    path("training/insights/", insights.insights, name="project-insights"),
    path("training/insights/decide/", insights.decide, name="project-insights-decide"),
    path("training/insights/send/", insights.send, name="project-insights-send"),
    path(
        "training/insights/<int:number>/<int:image_id>/<slug:name>.png",
        insights.picture,
        name="project-insights-picture",
    ),
    path("models/", models.models, name="project-models"),
    path("models/rollback/", models.rollback, name="project-models-rollback"),
    path("models/<int:number>/", models.version, name="project-model"),
    path("models/<int:number>/held-out/", insights.heldout, name="project-model-heldout"),
    path("models/<int:number>/promote/", models.promote, name="project-model-promote"),
    path("models/<int:number>/challenge/", models.challenge, name="project-model-challenge"),
    path("models/<int:number>/download/", models.download, name="project-model-download"),
]

pages: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/", include(project_pages)),
    path("backbones/", zoo.backbones, name="backbones"),
]
