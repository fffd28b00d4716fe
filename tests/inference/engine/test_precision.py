"""Which precision a version is served in: what its manifest says, where the setting and the processor allow it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.engine import runtime
from inference.engine.routing import VersionRef
from labeling.files.imaging import pixels
from tests.inference.serving import SIZE, picture
from training.learning.artifact import record
from training.learning.networks.trunk import Trunk
from training.learning.precision import has_bf16


def measured(version: Any, data_dir: Any, serve: str) -> VersionRef:
    record(data_dir / version.artifact, "precision", {"serve": serve})
    return VersionRef.of(version)


def test_without_the_setting_everything_is_exact(champion, data_dir, settings) -> None:
    assert settings.INFERENCE_PRECISION == "f32"
    classifier = runtime.engine().classifier(measured(champion, data_dir, "bf16"))
    assert runtime.engine().trunk_of(classifier) is runtime.engine().trunk("tiny-0000")


def test_a_version_that_lost_accuracy_or_was_never_measured_is_exact(add_version, data_dir, settings) -> None:
    settings.INFERENCE_PRECISION = "auto"
    engine = runtime.engine()
    lost = measured(add_version(seed=1), data_dir, "f32")
    for ref in (lost, VersionRef.of(add_version(seed=2))):
        assert engine.trunk_of(engine.classifier(ref)) is engine.trunk("tiny-0000")


@pytest.mark.skipif(not has_bf16(), reason="this processor has no bf16")
def test_a_version_that_lost_nothing_answers_in_bf16_beside_exact_ones_on_the_same_trunk(
    add_version, data_dir, settings
) -> None:
    settings.INFERENCE_PRECISION = "auto"
    engine = runtime.engine()
    quick = measured(add_version(seed=1), data_dir, "bf16")
    exact = VersionRef.of(add_version(seed=1))
    folder = data_dir / "trunks" / "tiny-0000"
    for ref, precision in ((quick, "bf16"), (exact, "f32")):
        answer = engine.classify(ref, [picture(4)])
        expected = Trunk(folder, precision=precision).embed(pixels(picture(4), SIZE)[None])
        np.testing.assert_array_equal(answer.features, expected)


def test_stored_images_are_answered_from_exact_features_whatever_the_precision(
    add_images, champion, data_dir, settings, project
) -> None:
    settings.INFERENCE_PRECISION = "auto"
    from inference import services
    from inference.intake.inputs import Inputs

    ref = measured(champion, data_dir, "bf16")
    (image,) = add_images([4], embed=False)
    answer = services.predict(project=project, inputs=Inputs((image,), 1), version=ref)
    expected = Trunk(data_dir / "trunks" / "tiny-0000").embed(pixels(picture(4), SIZE)[None])
    np.testing.assert_array_equal(answer.features, expected)
