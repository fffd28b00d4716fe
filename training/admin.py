"""The staff's view of the training room: snapshots, runs and versions are records, so they are read-only."""

from __future__ import annotations

from django.contrib import admin

from labeling.admin import RecordAdmin, register_rest
from training.models import ModelVersion, Snapshot, TrainingRun


@admin.register(TrainingRun)
class TrainingRunAdmin(RecordAdmin):
    list_display = ("id", "project", "cause", "backbone", "recipe", "state", "stage", "attempts", "created_at")
    list_filter = ("state", "cause", "recipe", "backbone")
    search_fields = ("=id", "project__slug", "failure")


@admin.register(ModelVersion)
class ModelVersionAdmin(RecordAdmin):
    list_display = ("project", "number", "alias", "decision", "promoted_at", "created_at")
    list_filter = ("alias",)
    search_fields = ("project__slug", "decision")


@admin.register(Snapshot)
class SnapshotAdmin(RecordAdmin):
    list_display = ("id", "project", "question", "item_count", "digest", "created_at")
    search_fields = ("project__slug", "digest")


register_rest("training")
