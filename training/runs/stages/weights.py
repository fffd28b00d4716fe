"""Worker-side stage: the pretrained weights that were asked for, fetched on their first use.

Where that fails, the run goes on with the best weights that are on the machine, and its log says what would satisfy it.
``auto`` reaches out for nothing: it takes what is here.
"""

from __future__ import annotations

from django.conf import settings

from labeling.text.words import gettext as _
from training.learning.errors import WeightsMissing
from training.learning.networks import weights
from training.runs.stages.work import Work
from training.zoo import catalogue
from training.zoo.choosing import NOTE, WANTED

SPAN = (0.0, 0.02)


def run(work: Work) -> None:
    """Changes the run's backbone to the wanted one when its file could be had.

    What the first attempt decided holds: the checkpoints that a later one goes on from are of that backbone.
    """
    wanted, note = work.run.options.pop(WANTED, None), work.run.options.get(NOTE)
    if not wanted:
        if note:
            work.reporter.log(note)
        return
    backbone = catalogue.backbone_of(wanted)

    def tell(share: float) -> bool:
        work.reporter.images(round(share * 100), 100, span=SPAN)  # raises when the run was cancelled
        return True

    work.reporter.log(_("Fetching the weights of %(title)s.") % {"title": backbone.title})
    work.reporter.flush()
    try:
        found = weights.fetch(backbone, settings.KERAS_HOME, tell)
    except WeightsMissing as error:
        work.reporter.log(error.message)
        work.reporter.log(note)
    else:
        work.run.backbone = wanted
        work.reporter.log(_("They are in %(path)s now.") % {"path": found.path})
    work.reporter.set(backbone=work.run.backbone, options=work.run.options)
    work.reporter.flush()
