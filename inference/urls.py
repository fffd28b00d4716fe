"""The addresses of this room: its part of the API, and its pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from inference.api import answering, serving
from inference.page_urls import pages

PROJECT = "projects/<slug:slug>/"
api_urlpatterns: list[URLPattern | URLResolver] = [
    path(PROJECT + "predict/", answering.PredictView.as_view(), name="api-predict"),
    path(PROJECT + "predict/batch/", serving.BatchView.as_view(), name="api-predict-batch"),
    path(PROJECT + "explain/", answering.ExplainView.as_view(), name="api-explain"),
    path(PROJECT + "serving/", serving.ServingView.as_view(), name="api-serving"),
    path(PROJECT + "keys/", serving.KeysView.as_view(), name="api-keys"),
    path(PROJECT + "keys/<int:key_id>/", serving.KeyView.as_view(), name="api-key"),
    path(PROJECT + "keys/<int:key_id>/rotate/", serving.KeyRotateView.as_view(), name="api-key-rotate"),
    path(PROJECT + "samples/<int:image_id>/", serving.SampleView.as_view(), name="api-sample"),
    path(PROJECT + "models/downloads/", serving.DownloadView.as_view(), name="api-downloads"),
]
urlpatterns = pages
v2_urlpatterns: list[URLPattern | URLResolver] = []
