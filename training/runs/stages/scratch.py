"""Worker-side stage of a comparison: a compact network from random weights instead of a trunk and a head."""

from __future__ import annotations

import numpy as np

from labeling.text.words import gettext as _
from training.features import embedding
from training.learning.errors import LearningError
from training.learning.rows import Rows, blank
from training.runs.stages.tune import tell
from training.runs.stages.work import Work, one_hot

MOST = 5_000  # images: thirty epochs over more of them would keep the trainer from runs for hours
CHECKPOINT = "scratch.npz"
SPAN = (0.0, 0.05)


def run(work: Work) -> None:
    """Sets ``tail``, ``rows``, ``predict`` and ``history``.

    Raises:
        LearningError: There are more than MOST images.
        TooLittleData: None that can be read is left to learn from, or to measure with.
    """
    if len(work.items) > MOST:
        told = _("From scratch is compared on at most %(most)s images; there are %(count)s.")
        raise LearningError(told % {"most": MOST, "count": len(work.items)}, "too_many_images")
    # Heavy: TensorFlow comes in by this door only, like in the tune stage.
    from training.learning.tuning.scratch import OPTIONS, SIZE, fit_from_scratch, scaled

    table = blank(len(work.items), SIZE * SIZE * 3, work.folder, dtype=np.uint8)
    found = np.zeros(len(work.items), bool)
    for place, picture in enumerate(work.items.pictures):
        for read in embedding.pixels_of([picture], SIZE):
            table[place], found[place] = read.ravel(), True
        work.reporter.images(place + 1, len(found), span=SPAN)
    work.items = work.items.readable(found, work.reporter.log)
    pictures, items = Rows(table, np.flatnonzero(found)), work.items
    validation = items.side("validation")
    y = items.targets.copy()
    y[validation] = one_hot(items.labels[validation], len(work.categories))
    model, history = fit_from_scratch(
        pictures, [picture.sha256 for picture in items.pictures], y, items.weights, items.side("train"), validation,
        rule=work.rule, options=OPTIONS, seed=work.run.seed, progress=work.progress,
        checkpoint=work.folder / CHECKPOINT,
    )  # fmt: skip
    work.tail = model
    work.rows = lambda places: scaled(pictures.read(places))
    work.predict = lambda x: np.asarray(model.predict_on_batch(x), np.float32)
    tell(work, history)
