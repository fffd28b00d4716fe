"""The zoo: every network that a project can stand on, in one literal table.

A ``Backbone`` is facts only; ``build`` makes the Keras model. ``cut`` names the layer whose *output* feeds the last
convolutional block: feature extraction uses the whole base, fine-tuning trains what lies behind the cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Backbone:
    """One architecture with its published weights.

    Attributes:
        key: Name in the table and in the database.
        family: The page groups by it.
        builder: Function of keras.applications, or ``own:<module>:<function>`` under training.learning.
        size: Default side of the square input in pixels.
        preprocessing: One of trunk.PREPROCESSING: tf, torch, caffe, inside (the network does it itself), bgr.
        parameters: Of the convolutional base, without the classifier.
        top1_error, top5_error: Published single-crop ImageNet validation error in percent; None where not published.
        licence: Of the weights.
        weights_file: Name in KERAS_HOME/models of the file without the classifier.
        weights_hash: What Keras publishes for that file (MD5, or SHA-256 by its length); empty where Keras checks none.
        sha256: Our own record of a file that was checked against independent sources; empty where there is none.
        cut: Layer whose output is the input of the last block.
        options: Keyword arguments of the builder.
        bundled: The weights are in the repository.
        weights_folder: Under KERAS_HOME.
    """

    key: str
    title: str
    year: int
    family: str
    builder: str
    size: int
    preprocessing: str
    parameters: int
    top1_error: float | None
    top5_error: float | None
    licence: str
    weights_file: str
    weights_url: str
    weights_hash: str
    sha256: str
    cut: str
    options: dict[str, Any] = field(default_factory=dict)
    bundled: bool = False
    weights_folder: str = "models"


_MOBILENET = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"
_MOBILENET_V2 = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
_V2_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{}_224_no_top.h5"

BACKBONES: dict[str, Backbone] = {
    backbone.key: backbone
    for backbone in (
        Backbone(
            key="crowdtune_small", title="Crowdtune small", year=2026, family="Crowdtune",
            builder="own:small:build_small", size=128, preprocessing="tf", parameters=1_384_160, top1_error=None,
            top5_error=None, licence="Apache-2.0", weights_file="crowdtune_small.npz", weights_url="",
            weights_hash="", sha256="", cut="stage3_c_out", bundled=True,
        ),
        Backbone(
            key="mobilenet_0.25", title="MobileNet 0.25", year=2017, family="MobileNet", builder="MobileNet",
            size=224, preprocessing="tf", parameters=218_544, top1_error=49.4, top5_error=25.8, licence="Apache-2.0",
            weights_file="mobilenet_2_5_224_tf_no_top.h5", weights_url=_MOBILENET, weights_hash="",
            sha256="0c38a05c22650853a3e06b7902883bc4a9444f64a7027377570a763dd5f6ea90",
            cut="conv_pw_11_relu", options={"alpha": 0.25},
        ),
        Backbone(
            key="mobilenet_v2_0.35", title="MobileNetV2 0.35", year=2018, family="MobileNetV2", builder="MobileNetV2",
            size=224, preprocessing="tf", parameters=410_208, top1_error=39.7, top5_error=17.1, licence="Apache-2.0",
            weights_file=_V2_FILE.format("0.35"), weights_url=_MOBILENET_V2, weights_hash="",
            sha256="d43c70f8ea04b1087170401b2f4739f41b94200e30892ea8d050ac65779146c6",
            cut="block_12_add", options={"alpha": 0.35},
        ),
        Backbone(
            key="mobilenet_v2_1.0", title="MobileNetV2 1.0", year=2018, family="MobileNetV2", builder="MobileNetV2",
            size=224, preprocessing="tf", parameters=2_257_984, top1_error=28.7, top5_error=9.9, licence="Apache-2.0",
            weights_file=_V2_FILE.format("1.0"), weights_url=_MOBILENET_V2, weights_hash="", sha256="",
            cut="block_12_add", options={"alpha": 1.0},
        ),
    )
}  # fmt: skip
