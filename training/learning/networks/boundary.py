"""Where a network is cut in two: what lies before the boundary is cached, what lies behind is trained.

Nothing here imports Keras: a run that has too few images is told so before it pays for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.text.words import gettext as _
from training.learning.networks.backbones import Backbone

MIN_PER_CATEGORY, MIN_IMAGES = 15, 60


def cut_tensor(base: Any, cut: str) -> Any:
    """The tensor at a boundary: the output of the layer ``cut``, or, for ``<layer``, the input of that layer.

    The second form is for blocks that begin after a layer without a name of its own (``add_10`` is called so only in
    the first model of a process).
    """
    node = node_of(base, base.get_layer(cut.removeprefix("<")))
    return node.input_tensors[0] if cut.startswith("<") else node.output_tensors[0]


def node_of(model: Any, layer: Any) -> Any:
    """Where the functional model calls the layer (the last time, if several). ``layer.output`` is of its first call
    anywhere: a network inside has been called to make it, and each layer of a Sequential once for each that followed.
    """
    nodes = (node for _depth, nodes in sorted(model._nodes_by_depth.items()) for node in nodes)
    return next(node for node in nodes if node.operation is layer)


def too_little(backbone: Backbone, counts: Mapping[str, int]) -> str:
    """Why fine-tuning is refused, "" where it is not: then train by feature extraction instead.

    Args:
        counts: Training images of each category.
    """
    if not backbone.cut:
        told = _("%(title)s has no single place to cut its last block off; it is used by feature extraction.")
        return told % {"title": backbone.title}
    total, least = sum(counts.values()), min(counts.values(), default=0)
    if least < MIN_PER_CATEGORY or total < MIN_IMAGES:
        told = _(
            "Fine-tuning needs %(images)s training images and %(each)s in each category; there are %(total)s, and"
            " %(least)s in the smallest. With fewer, the last block learns the images by heart."
        )
        return told % {"images": MIN_IMAGES, "each": MIN_PER_CATEGORY, "total": total, "least": least}
    return ""
