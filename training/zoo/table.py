"""Worker-side: the zoo as people see it: the table of backbones and the state of their weights on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from labeling.models import Project
from training.learning.networks import weights
from training.zoo import catalogue

STATES = {
    "verified": _("Verified"),
    "unknown_hash": _("Here, of unknown origin"),
    "bundled": _("Comes along"),
    "missing": _("Not here"),
    "random": _("None published"),
    "damaged": _("Damaged"),
}


@dataclass(frozen=True)
class Entry:
    """One backbone. ``weights`` is the state of its file, ``weights_file`` where that is or should be, "" for none."""

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
    def state(self) -> str | Promise:
        return STATES.get(self.weights, self.weights)

    @property
    def is_usable(self) -> bool:
        return self.weights in ("verified", "unknown_hash", "bundled")


def entries(keras_home: Path, project: Project | None = None) -> list[Entry]:
    """Every backbone, in the order of the table; then those that are imported, as far as the project may use them."""
    return [entry(key, keras_home) for key in catalogue.keys(project)]


def entry(key: str, keras_home: Path) -> Entry:
    backbone = catalogue.backbone_of(key)
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
        weights_file=str(found.path or found.expected) if backbone.weights_file else "",
    )


@dataclass(frozen=True)
class Step:
    """One network of the line that the field teaches; ``key`` is its entry in the zoo."""

    key: str
    name: str
    year: int
    top5_error: float
    parameters: int
    idea: str | Promise


# Top-5 error of the entries on the ImageNet test set, as the challenge published it (Russakovsky et al. 2015, and He et
# al. 2015): AlexNet with five networks, ZFNet as Clarifai's winning entry, VGG, GoogLeNet and ResNet as ensembles.
HISTORIC = (
    Step("alexnet", "AlexNet", 2012, 16.4, 60_965_224, _("Depth, ReLU, dropout and two GPUs")),
    Step("zfnet", "ZFNet", 2013, 11.7, 62_357_608, _("Looking inside: smaller first filters and stride")),
    Step("vgg16", "VGG", 2014, 7.3, 138_357_544, _("Only 3 x 3 convolutions, twice as deep")),
    Step(
        "googlenet",
        "GoogLeNet",
        2014,
        6.7,
        6_998_552,
        _("Several filter sizes side by side, a tenth of the parameters"),
    ),
    Step("resnet50", "ResNet", 2015, 3.5, 25_636_712, _("Shortcuts that let gradients pass")),
)
