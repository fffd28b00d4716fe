"""The staff's view of the inference room: what answers, and what it said. Read-only."""

from __future__ import annotations

from inference.models import Deployment, Prediction
from labeling.admin import register, register_rest

register(
    (Deployment, "", "", "project__slug"),
    (Prediction, "project image version category probability uncertainty created_at",
     "", "project__slug category image__name"),
)  # fmt: skip
register_rest("inference")
