"""Worker-side stage: the features of every image of the snapshot, mostly out of the store."""

from __future__ import annotations

from training import embedding
from training.learning.augment import VIEWS
from training.learning.errors import TooLittleData
from training.stages.views import embed_views
from training.stages.work import Work

SPAN = (0.02, 0.45)
VIEWS_SPAN = (0.45, 0.5)


def run(work: Work) -> None:
    """Sets ``trunk`` and ``rows``; images that cannot be read leave the training set, and the log says so."""
    work.trunk = embedding.trunk_of(work.run.backbone)
    features, found, embedded = embedding.features_of(
        work.trunk,
        work.items.pictures,
        progress=lambda done, total: work.reporter.images(done, total, span=SPAN),
    )
    work.cost["embedded"] = embedded
    known = len(work.items) - embedded
    work.reporter.log(f"{known} images' features were there already, {embedded} were made.")
    if not found.all():
        work.reporter.log(f"{int((~found).sum())} images could not be read and were left out.")
        work.items, features = work.items.keep(found), features[found]
    if not len(work.items.side("train")) or not len(work.items.side("test")):
        raise TooLittleData("No readable image is left to learn from, or to measure with.")
    work.rows = lambda places: features[places]
    if work.run.augmentation:
        work.views = int(work.run.options.get("views", VIEWS))
        embed_views(work, work.trunk, span=VIEWS_SPAN)
