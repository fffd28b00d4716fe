"""The staff's view of the training room: snapshots, runs and versions are records, so they are read-only."""

from __future__ import annotations

from labeling.admin import register, register_rest
from training.models import ModelVersion, Snapshot, TrainingRun

register(
    (TrainingRun, "id project cause backbone recipe state stage attempts created_at",
     "state cause recipe backbone", "=id project__slug failure"),
    (ModelVersion, "project number alias decision promoted_at created_at", "alias", "project__slug decision"),
    (Snapshot, "id project question item_count digest created_at", "", "project__slug digest"),
)  # fmt: skip
register_rest("training")
