"""The verbs of the inference room: keyword-only and typed. One file a theme; import the verbs from here."""

from __future__ import annotations

from inference.feedback.sampling import delete_sample
from inference.services.deploying import configure, copy_settings, report_wrong
from inference.services.jobs import start_batch, start_download
from inference.services.keys import limit_key, make_limited_key, may_rotate, rotate_key
from inference.services.predicting import explain, fault_of, predict

__all__ = [
    "configure",
    "copy_settings",
    "delete_sample",
    "explain",
    "fault_of",
    "limit_key",
    "make_limited_key",
    "may_rotate",
    "predict",
    "report_wrong",
    "rotate_key",
    "start_batch",
    "start_download",
]
