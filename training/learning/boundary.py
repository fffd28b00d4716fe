"""Where a network is cut in two: what lies before the boundary is cached, what lies behind is trained."""

from __future__ import annotations

from typing import Any


def cut_tensor(base: Any, cut: str) -> Any:
    """The tensor at a boundary: the output of the layer ``cut``, or, for ``<layer``, the input of that layer.

    The second form is for blocks that begin after a layer without a name of its own (``add_10`` is called so only in
    the first model of a process).
    """
    return base.get_layer(cut[1:]).input if cut.startswith("<") else base.get_layer(cut).output
