"""Worker-side: the zoo as people see it: the table of backbones and the state of their weights on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.learning import weights
from training.learning.backbones import BACKBONES


@dataclass(frozen=True)
class Entry:
    """One backbone. ``weights`` is the state of its file, ``weights_file`` where that is or should be."""

    key: str
    title: str
    year: int
    family: str
    parameters: int
    size: int
    top1_error: float | None
    top5_error: float | None
    licence: str
    weights: str
    weights_file: str

    @property
    def is_usable(self) -> bool:
        return self.weights in ("verified", "unknown_hash", "bundled")


def entries(keras_home: Path) -> list[Entry]:
    """Every backbone, in the order of the table."""
    return [entry(key, keras_home) for key in BACKBONES]


def entry(key: str, keras_home: Path) -> Entry:
    backbone = BACKBONES[key]
    found = weights.locate(backbone, keras_home)
    return Entry(
        key=key,
        title=backbone.title,
        year=backbone.year,
        family=backbone.family,
        parameters=backbone.parameters,
        size=backbone.size,
        top1_error=backbone.top1_error,
        top5_error=backbone.top5_error,
        licence=backbone.licence,
        weights=found.state,
        weights_file=str(found.path or found.expected),
    )
