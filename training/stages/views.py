"""Worker-side: augmented views of the training images through a trunk, each once, ever."""

from __future__ import annotations

from typing import Any

import numpy as np

from training import embedding
from training.learning.embedding import embed_missing
from training.learning.trunk import Trunk
from training.stages.work import RULE, Work


def embed_views(work: Work, trunk: Trunk, *, span: tuple[float, float]) -> None:
    """Have ``work.views`` views of each training image in the trunk's store."""
    pictures = [work.items.pictures[place] for place in work.items.side("train")]

    def read(index: int) -> np.ndarray:
        return embedding.pixels_of([pictures[index]], trunk.size)[0]

    def progress(figures: dict[str, Any]) -> bool:
        work.reporter.images(figures["done"], figures["of"], span=span)
        return True

    made = embed_missing(
        embedding.store_of(trunk),
        trunk,
        [picture.sha256 for picture in pictures],
        read,
        views=work.views,
        augmentation=RULE,
        progress=progress,
    )
    work.cost["embedded"] = work.cost.get("embedded", 0) + made
    work.reporter.log(f"{work.views} augmented views of each training image; {made} were made now.")
