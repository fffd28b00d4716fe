"""How an answer compares with what is known. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.aggregation import numeric
from labeling.questions import CANT_TELL
from labeling.questions.boxes import KnownBoxes
from labeling.questions.kind import is_number
from labeling.questions.text import KnownText, plain

# Boxes are right when each has a partner of the same category at this overlap, and none is left over.
BOX_OVERLAP = 0.5


def is_right(answers: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether each known answer was given; questions without a known answer do not count."""
    return all(matches(answers.get(key), value) for key, value in known.items())


def matches(answer: Any, known: Any) -> bool:
    if isinstance(known, KnownBoxes):
        is_full = isinstance(answer, list) and len(answer) == known.asked_for
        return is_full and _have_partners(answer, known)
    if isinstance(known, list) and known and isinstance(known[0], Mapping):
        return answer != CANT_TELL and _boxes_match(answer or [], known)
    if isinstance(known, list):
        return isinstance(answer, list) and _key(answer) == _key(known)
    if isinstance(known, float):  # as near as a consensus has to be sure of
        return is_number(answer) and bool(abs(answer - known) <= numeric.tolerance(known, False))
    if isinstance(known, KnownText):  # as a consensus counts them
        return isinstance(answer, str) and plain(answer) == plain(known)
    return type(answer) is type(known) and answer == known


def _key(items: list[Any]) -> list[str]:
    return sorted(str(item) for item in items)


def _boxes_match(given: Any, known: list[Any]) -> bool:
    return isinstance(given, list) and len(given) == len(known) and _have_partners(known, given)


def _have_partners(boxes: list[Any], among: list[Any]) -> bool:
    """Whether each has a partner of its own."""
    left = list(among)
    for box in boxes:
        partner = max(left, key=lambda other: _overlap(other, box), default=None)
        if partner is None or _overlap(partner, box) < BOX_OVERLAP:
            return False
        left.remove(partner)
    return True


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Intersection over union of two boxes of the same category, else 0."""
    if one.get("category") != other.get("category"):
        return 0.0
    ax, ay, aw, ah = one["box"]
    bx, by, bw, bh = other["box"]
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (aw * ah + bw * bh - shared)
