"""Worker-side stage: calibrate on the validation part, let the head learn it too, measure on images never seen."""

from __future__ import annotations

import numpy as np

from labeling.text.words import gettext as _
from training.learning.calibrate import temperature
from training.learning.heads.dense import softmax
from training.learning.metrics import evaluate
from training.runs.stages import fit
from training.runs.stages.work import Work, one_hot


def run(work: Work) -> None:
    """Sets ``temperature``, ``test_probabilities`` and ``metrics``: the same run gives the same bytes of metrics."""
    classes = len(work.categories)
    train, validation, test = (work.items.side(name) for name in ("train", "validation", "test"))
    held = work.logits(validation) if work.held is None else work.held
    work.temperature = temperature(held, one_hot(work.items.labels[validation], classes))
    if work.tail is None and len(validation):
        work.head = fit.refit(work)
        work.predict = work.head.logits
    work.test_probabilities = softmax(work.logits(test) / np.float32(work.temperature))
    figures = evaluate(
        work.test_probabilities, work.items.labels[test], work.categories, groups=work.items.groups[test]
    )
    work.metrics = {
        **figures,
        "temperature": work.temperature,
        "train": {"count": len(train), "top1": _right(work.logits(train), work.items.labels[train])},
        "validation": {"count": len(validation), "top1": _right(held, work.items.labels[validation])},
        "fit": work.fit_facts,
    }
    low, high = figures["interval"]
    told = _(
        "Held-out accuracy %(accuracy).1f %% (95 %% interval %(low).1f to %(high).1f) on %(count)s images,"
        " calibration error %(ece).1f %%."
    )
    shares = {"accuracy": figures["top1"], "low": low, "high": high, "ece": figures["ece"]}
    work.reporter.log(told % {"count": len(test), **{name: 100 * share for name, share in shares.items()}})


def _right(logits: np.ndarray, labels: np.ndarray) -> float | None:
    return float((logits.argmax(axis=1) == labels).mean()) if len(labels) else None
