"""The verbs of the training room, by theme. Each is keyword-only, atomic, and returns its row or raises."""

from __future__ import annotations

from training.runs.due import Decision, check_due, recent_decision
from training.services.bakeoffs import start_bake_off, use_candidate
from training.services.policies import copy_policy, report_drift, set_policy
from training.services.requests import cancel_run, cancel_runs, request_run
from training.services.suspects import decide_suspect, send_back
from training.services.versions import answers_gone, challenge, promote, rollback, withdraw_challenger
from training.snapshots.freezing import freeze_snapshot

__all__ = [
    "Decision",
    "answers_gone",
    "cancel_run",
    "cancel_runs",
    "challenge",
    "check_due",
    "copy_policy",
    "decide_suspect",
    "freeze_snapshot",
    "promote",
    "recent_decision",
    "report_drift",
    "request_run",
    "rollback",
    "send_back",
    "set_policy",
    "start_bake_off",
    "use_candidate",
    "withdraw_challenger",
]
