"""Worker-side: augmented views of the training images through a trunk, each once, ever, and back out of its store."""

from __future__ import annotations

import itertools

import numpy as np

from labeling.text.words import gettext as _
from training.features import embedding
from training.learning.augment import view, view_key
from training.learning.networks.trunk import Trunk
from training.learning.rows import Rows
from training.learning.store_filling import fill_store
from training.runs.stages.work import Work


def embed_views(work: Work, trunk: Trunk, *, span: tuple[float, float]) -> None:
    """Have ``work.views`` views of each training image in the trunk's store."""
    pictures, store = [work.items.pictures[place] for place in work.items.side("train")], embedding.store_of(trunk)
    keys = [[view_key(picture.sha256, index, work.rule) for index in range(work.views)] for picture in pictures]
    there = store.has(list(itertools.chain(*keys))).reshape(-1, work.views)
    incomplete = np.flatnonzero(~there.all(axis=1)).tolist()

    def read(place: int) -> list[tuple[str, np.ndarray]]:
        # Its own features may be there from before it was damaged.
        seen = embedding.pixels_of([pictures[place]], trunk.size)
        missing = np.flatnonzero(~there[place]).tolist()
        return [
            (keys[place][index], view(image, pictures[place].sha256, index, work.rule))
            for image in seen
            for index in missing
        ]

    done = made = 0
    for owners, rows in fill_store(store, trunk.embed, incomplete, read, each=work.views):
        done, made = done + len(set(owners)), made + len(rows)
        work.reporter.images(done, len(incomplete), span=span)
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
