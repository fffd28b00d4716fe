"""Worker-side: augmented views of the training images through a trunk, each once, ever, and back out of its store."""

from __future__ import annotations

from typing import Any

import numpy as np

from labeling.words import gettext as _
from training.features import embedding
from training.learning.augment import view_key
from training.learning.networks.trunk import Trunk
from training.learning.rows import Rows
from training.learning.store_filling import embed_missing
from training.runs.stages.work import Work


def embed_views(work: Work, trunk: Trunk, *, span: tuple[float, float]) -> None:
    """Have ``work.views`` views of each training image in the trunk's store."""
    pictures = [work.items.pictures[place] for place in work.items.side("train")]

    def read(index: int) -> np.ndarray | None:
        # Its own features may be there from before it was damaged.
        return next(iter(embedding.pixels_of([pictures[index]], trunk.size)), None)

    def progress(figures: dict[str, Any]) -> bool:
        work.reporter.images(figures["done"], figures["of"], span=span)
        return True

    made = embed_missing(
        embedding.store_of(trunk),
        trunk,
        [picture.sha256 for picture in pictures],
        read,
        views=work.views,
        augmentation=work.rule,
        progress=progress,
    )
    work.cost["embedded"] = work.cost.get("embedded", 0) + made
    told = _("%(views)s augmented views of each training image; %(made)s were made now.")
    work.reporter.log(told % {"views": work.views, "made": made})


def read_views(work: Work, trunk: Trunk, table: np.ndarray, start: int) -> tuple[Rows, np.ndarray]:
    """Read the views' features into the table, from row ``start`` on.

    Returns:
        Their rows, and int [m]: the place of the image that each is a view of. A view that could not be made, or
        was damaged on the disk since, is left out.
    """
    train, store = work.items.side("train"), embedding.store_of(trunk)
    rows, owners = [], []
    for index in range(work.views):
        keys = [view_key(work.items.pictures[place].sha256, index, work.rule) for place in train]
        _rows, found = store.get(keys, table[start : start + len(train)])
        rows.append(start + np.flatnonzero(found))
        owners.append(train[found])
        start += len(train)
    return Rows(table, np.concatenate(rows)), np.concatenate(owners)
