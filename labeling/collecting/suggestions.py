"""Answers suggested beside a question, and a blind share without them, so that anchoring is measured and not guessed.

Which worker sees the suggestion of which task is drawn by a hash of the two, so a reload shows the same, nothing has to
be stored, and a later analysis knows who was blind. Where people agree with suggestions much more often when they see
them, the labels echo the model: that difference is the anchoring, shown to the owner.

Source: blind controls of pre-annotation: K. Fort and B. Sagot, "Influence of pre-annotation on POS-tagged corpus
development", LAW IV, 2010; the interval: R. G. Newcombe, "Interval estimation for the difference between independent
proportions", Statistics in Medicine 17 (1998), method 1 (Wald).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from labeling.collecting.leases import Lease
from labeling.models import Project
from labeling.surveys import survey

HIDDEN = ("suggestions", "suggested_by", "suggested_at", "blind_share", "suggestion")


def is_blind(task_id: int, worker_id: int, share: float) -> bool:
    """Whether this worker is in the blind share of this task."""
    drawn = hashlib.sha256(f"{task_id}:{worker_id}".encode()).digest()[:8]
    return int.from_bytes(drawn, "big") < share * 2**64


def for_worker(lease: Lease, *, project: Project, worker_id: int) -> Lease:
    """The lease as this worker may see it: the payload with the suggestion, or without any trace of one."""
    found = lease.payload.get("suggestions")
    if not found:
        return lease
    # A category may have been taken out of the survey since it was suggested.
    found = survey.answerable(project.pk, lease.survey_version, found)
    payload = {name: value for name, value in lease.payload.items() if name not in HIDDEN}
    share = float(lease.payload.get("blind_share", project.blind_share))
    if found and project.show_suggestions and not is_blind(lease.task_id, worker_id, share):
        payload["suggestions"] = found
        payload["suggestion"] = next((_text(answer) for answer in found.values() if _text(answer)), "")
    return lease._replace(payload=payload)


def _text(answer: Any) -> str:
    """What a person reads; boxes are drawn and not read."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, list):
        return ", ".join(answer) if all(isinstance(item, str) for item in answer) else ""
    return str(answer)


def anchoring(
    judgments: Iterable[tuple[int, int, Any]], suggested: Mapping[int, tuple[Any, float]]
) -> dict[str, Any] | None:
    """How much more often people agree with a suggestion that they see.

    Args:
        judgments: (task, worker, answer).
        suggested: Task -> (suggested answer, blind share at that time).

    Returns:
        Counts, both agreement rates, their difference and its 95 % interval; None while either group is empty.
    """
    agreed, count = [0, 0], [0, 0]
    for task, worker, answer in judgments:
        if task in suggested:
            suggestion, share = suggested[task]
            group = int(is_blind(task, worker, share))
            count[group] += 1
            agreed[group] += int(answer == suggestion)
    if not count[0] or not count[1]:
        return None
    shown, blind = agreed[0] / count[0], agreed[1] / count[1]
    error = 1.96 * (shown * (1 - shown) / count[0] + blind * (1 - blind) / count[1]) ** 0.5
    difference = shown - blind
    return {
        "shown": count[0],
        "blind": count[1],
        "agree_shown": round(shown, 4),
        "agree_blind": round(blind, 4),
        "difference": round(difference, 4),
        "interval": [round(difference - error, 4), round(difference + error, 4)],
    }
