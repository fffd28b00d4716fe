"""The addresses of this room: its part of the API, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from inference.api import pool, predicting, serving, v2
from inference.page_urls import pages

PROJECT = "projects/<slug:slug>/"
api_urlpatterns: list[URLPattern | URLResolver] = [
    path(PROJECT + "predict/", predicting.PredictView.as_view(), name="api-predict"),
    path(PROJECT + "predict/batch/", serving.BatchView.as_view(), name="api-predict-batch"),
    path(PROJECT + "explain/", predicting.ExplainView.as_view(), name="api-explain"),
    path(PROJECT + "serving/", serving.ServingView.as_view(), name="api-serving"),
    path(PROJECT + "keys/", serving.KeysView.as_view(), name="api-keys"),
    path(PROJECT + "keys/<int:key_id>/", serving.KeyView.as_view(), name="api-key"),
    path(PROJECT + "keys/<int:key_id>/rotate/", serving.KeyRotateView.as_view(), name="api-key-rotate"),
    path(PROJECT + "predictions/", pool.PredictionsView.as_view(), name="api-predictions"),
    path(PROJECT + "samples/", serving.SamplesView.as_view(), name="api-samples"),
    path(PROJECT + "samples/<int:image_id>/", serving.SampleView.as_view(), name="api-sample"),
    path(PROJECT + "models/downloads/", serving.DownloadView.as_view(), name="api-downloads"),
]
urlpatterns = pages
MODEL = "v2/models/<slug:slug>"
v2_urlpatterns: list[URLPattern | URLResolver] = [
    path("v2", v2.ServerView.as_view(), name="v2"),
    path("v2/health/live", v2.LiveView.as_view(), name="v2-live"),
    path("v2/health/ready", v2.ReadyView.as_view(), name="v2-ready"),
    *(
        path(model + end, view.as_view(), name=f"v2-{name}{suffix}")
        for model, suffix in ((MODEL, ""), (MODEL + "/versions/<str:version>", "-version"))
        for end, view, name in (
            ("", v2.ModelView, "model"),
            ("/ready", v2.ModelReadyView, "model-ready"),
            ("/infer", v2.InferView, "infer"),
        )
    ),
]
