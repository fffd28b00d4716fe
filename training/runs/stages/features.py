"""Worker-side stage: the features of every image of the snapshot, mostly out of the store."""

from __future__ import annotations

import numpy as np

from labeling.text.words import gettext as _
from training.features import embedding
from training.learning.augment import VIEWS
from training.learning.rows import Rows, blank
from training.runs.stages.augmented import embed_views, read_views
from training.runs.stages.work import Work

SPAN = (0.02, 0.45)
VIEWS_SPAN = (0.45, 0.5)


def run(work: Work) -> None:
    """Sets ``trunk``, ``features`` and ``rows``, and the features of augmented ``views`` where the recipe has them.

    Images that cannot be read leave the training set, and the log says so.
    """
    if embedding.trunk_facts(work.run.backbone) is None:
        work.reporter.log(_("Preparing the network for this machine, once; that may take a minute."))
        work.reporter.flush()
    work.trunk = embedding.trunk_of(work.run.backbone, waiting=work.reporter.tick)
    views = int(work.run.options.get("views", VIEWS)) if work.run.augmentation else 0
    count = len(work.items)
    table = blank(count + views * len(work.items.side("train")), work.trunk.dim, work.folder)
    _rows, found, embedded = embedding.features_of(
        work.trunk,
        work.items.pictures,
        out=table[:count],
        progress=lambda done, total: work.reporter.images(done, total, span=SPAN),
    )
    work.cost["embedded"] = embedded
    known = len(work.items) - embedded
    told = _("The features of %(known)s images were there already, those of %(made)s were made.")
    work.reporter.log(told % {"known": known, "made": embedded})
    work.items = work.items.readable(found, work.reporter.log)
    features = work.features = Rows(table, np.flatnonzero(found))
    work.rows = features.read
    if views:
        work.views = views
        embed_views(work, work.trunk, span=VIEWS_SPAN)
        work.view_features, work.view_owners = read_views(work, work.trunk, table, count)
