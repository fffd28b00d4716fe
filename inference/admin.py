"""The staff's view of the inference room: what answers, and what it said. Read-only."""

from __future__ import annotations

from django.contrib import admin

from inference.models import Deployment, Prediction
from labeling.admin import RecordAdmin, register_rest


@admin.register(Deployment)
class DeploymentAdmin(RecordAdmin):
    search_fields = ("project__slug",)


@admin.register(Prediction)
class PredictionAdmin(RecordAdmin):
    list_display = ("project", "image", "version", "category", "probability", "uncertainty", "created_at")
    search_fields = ("project__slug", "category", "image__name")


register_rest("inference")
