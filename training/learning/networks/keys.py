"""The name of a trunk: a hash of all that its features depend on. Apart from ``trunk``, which opens a runtime."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from training.learning.networks.backbones import Backbone

FORMAT = 1  # raised when a trunk's files change, or what labeling.files.imaging.pixels makes of a picture


def trunk_key(backbone: Backbone, weights_sha256: str, cut: str | None = None) -> str:
    """Name of what the features depend on: network, weights, input size, preprocessing, cut and format."""
    if cut and backbone.root is not None:  # before the cut nothing was retrained
        return trunk_key(backbone.root, backbone.root_sha256, cut)
    facts: tuple[Any, ...] = (FORMAT, backbone.key, weights_sha256, backbone.size, backbone.preprocessing)
    facts += (cut or "pooled",)
    if backbone.imported:
        facts += (backbone.root_sha256, backbone.options)
    if not weights_sha256:
        facts += ("numpy",)  # who draws random weights
    return f"{backbone.key}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"
