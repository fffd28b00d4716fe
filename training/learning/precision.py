"""Whether a version may answer in bf16: measured on pictures that it never saw, when it is exported.

bf16 keeps 8 of a float's 24 bits and takes half the time on processors that have it. The features then differ in the
third digit, which mostly moves no answer; whether it moves these answers is a question of the version, so each is
measured by itself. It may where it is right as often as in f32, its log loss has not grown beyond ``LOSS``, and at
least ``SAME`` of the top-1 are the same. Pure; OpenVINO only, no Keras.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labeling.text.words import gettext as _
from training.learning.networks.light import openvino

LEAST = 20  # pictures; fewer say nothing
MOST = 200  # pictures measured
LOSS = 0.01
SAME = 0.98


@dataclass(frozen=True)
class Comparison:
    """What was found, as the manifest keeps it."""

    serve: str  # "bf16" or "f32"
    because: str
    count: int
    accuracy: float
    accuracy_bf16: float
    log_loss: float
    log_loss_bf16: float
    same_top1: float
    difference: float  # largest, of a probability

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@functools.cache
def has_bf16() -> bool:
    """Whether this processor computes in bf16 by itself; asking it takes a millisecond, so it is asked once."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def compare(exact: np.ndarray, low: np.ndarray, labels: np.ndarray) -> Comparison:
    """Decide from the probabilities ``[n, k]`` of both on the same held-out pictures and their labels int ``[n]``."""
    count = len(labels)
    if count < LEAST:
        few = _("only %(count)s pictures to measure on; %(least)s are needed") % {"count": count, "least": LEAST}
        return Comparison("f32", few, count, 0, 0, 0, 0, 0, 0)
    rows = np.arange(count)
    right, right_low = (float((p.argmax(axis=1) == labels).mean()) for p in (exact, low))
    loss, loss_low = (float(-np.log(np.clip(p[rows, labels], 1e-12, 1.0)).mean()) for p in (exact, low))
    same = float((exact.argmax(axis=1) == low.argmax(axis=1)).mean())
    because, lost = _("no accuracy is lost"), True
    if not np.isfinite(low).all():
        because = _("bf16 gave values that are no numbers")
    elif right_low < right:
        because = _("accuracy would fall from %(high).4f to %(low).4f") % {"high": right, "low": right_low}
    elif loss_low > loss + LOSS:
        because = _("log loss would rise from %(low).4f to %(high).4f") % {"low": loss, "high": loss_low}
    elif same < SAME:
        because = _("only %(share).1f %% of the answers would stay the same") % {"share": 100 * same}
    else:
        lost = False
    serve = "f32" if lost else "bf16"
    difference = float(np.abs(exact - low).max())
    return Comparison(serve, because, count, right, right_low, loss, loss_low, same, difference)
