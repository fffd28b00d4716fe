"""What one version of a survey has that the one before had not, as the log of changes tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 20  # keys, and changed fields, that are told; the versions themselves hold all


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """``{"categories": [gone, new], "cat: name": [was, is], …}`` of the categories, then of the questions.

    Where none is gone or new, the two lists are of those that stood elsewhere in the order, and that stand there now.
    """
    told: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for part in ("categories", "questions"):
        was = {row["key"]: row for row in before.get(part, ())}
        now = {row["key"]: row for row in after[part]}
        gone, new = _some([key for key in was if key not in now]), _some([key for key in now if key not in was])
        if gone or new:
            told[part] = [gone, new]
        elif moved := [pair for pair in zip(was, now, strict=True) if pair[0] != pair[1]]:
            told[part] = [_some([pair[0] for pair in moved]), _some([pair[1] for pair in moved])]
        for key in [key for key in now if key in was and now[key] != was[key]][:MOST]:
            changed = [name for name in now[key] if name != "id" and was[key].get(name) != now[key][name]]
            fields |= {f"{key}: {name}": [was[key].get(name), now[key][name]] for name in changed}
    language = [each.get("language", "") for each in (before, after)]
    if language[0] != language[1]:
        told["language"] = language
    tongues = [each.get("translations", {}) for each in (before, after)]
    codes = [code for code in sorted({*tongues[0], *tongues[1]}) if tongues[0].get(code) != tongues[1].get(code)]
    return told | dict(list(fields.items())[:MOST]) | ({"translations": ", ".join(codes)} if codes else {})


def _some(keys: Sequence[str]) -> list[str]:
    return [*keys[:MOST], *(["…"] if len(keys) > MOST else [])]
