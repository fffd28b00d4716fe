"""Worker-side stage: the exported version must answer like Keras on real images before it may serve.

The first version on a trunk is compared with the whole Keras model; that brings TensorFlow in and takes seconds. Then
the trunk is known to be good, and later heads on it are compared through a plain float64 computation.
"""

from __future__ import annotations

import json

import numpy as np
from django.conf import settings

from labeling.text.words import gettext as _
from training.features import embedding
from training.learning import precision
from training.learning.artifact import load_version, record
from training.learning.errors import NotFaithful
from training.learning.networks import weights
from training.learning.networks.trunk import Trunk
from training.learning.verify import verify, verify_extraction
from training.runs.stages.work import Work
from training.zoo import catalogue

IMAGES = 16
MARK = "verified-on-images.json"


def run(work: Work) -> None:
    """Completes ``manifest`` with what the comparison found; raises NotFaithful where it may not serve."""
    assert work.trunk is not None
    test = work.items.side("test")[:IMAGES]
    pictures = embedding.pixels_of([work.items.pictures[place] for place in test], work.trunk.size)
    if not len(pictures):
        raise NotFaithful(_("No held-out image could be read to verify the export with."))
    if work.whole_model is not None:
        found = verify(work.version_folder, work.trunk, work.whole_model(work.temperature), pictures)
    else:
        found = _verify_head(work, pictures)
    if settings.INFERENCE_PRECISION == "auto" and precision.has_bf16():
        _measure_bf16(work)
    work.manifest = json.loads((work.version_folder / "manifest.json").read_text())
    work.reporter.log(
        _("Verified on %(count)s images: largest difference %(difference).1e.")
        % {"count": len(pictures), "difference": found["verification"]["difference"]}
    )


def _measure_bf16(work: Work) -> None:
    """Whether the version may answer in bf16, by the held-out images, into its manifest."""
    assert work.trunk is not None
    places = work.items.side("test")[: precision.MOST]
    pictures = embedding.pixels_of([work.items.pictures[place] for place in places], work.trunk.size)
    if len(pictures) != len(places):  # one could not be read: its place among the labels is unknown
        return
    low = Trunk(embedding.trunks_folder() / work.trunk.key, precision="bf16")
    version = load_version(work.version_folder)
    exact, rounded = (version.probabilities_from_features(trunk.embed(pictures)) for trunk in (work.trunk, low))
    found = precision.compare(exact, rounded, work.items.labels[places])
    record(work.version_folder, "precision", found.as_json())
    told = _("Serves in %(precision)s where the processor has bf16: %(because)s.")
    work.reporter.log(told % {"precision": found.serve, "because": found.because})


def _verify_head(work: Work, pictures: np.ndarray) -> dict:
    assert work.trunk is not None
    mark = embedding.trunks_folder() / work.trunk.key / MARK
    backbone = catalogue.backbone_of(work.run.backbone)
    deep = not mark.exists()
    found = verify_extraction(
        work.version_folder,
        work.trunk,
        backbone,
        weights.require(backbone, settings.KERAS_HOME),
        pictures,
        deep=deep,
    )
    if deep:
        mark.write_text(json.dumps(found["verification"]))
    return found
