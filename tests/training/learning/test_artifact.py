"""A version on disk: it loads as it was written, answers like Keras, and anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.learning.conftest import SMALL, blobs
from training.learning.artifact import Classifier, compare_with_keras, load_version, record_verification, write_version
from training.learning.errors import ArtifactDamaged, NotFaithful
from training.learning.heads.dense import Head
from training.learning.heads.head import HeadOptions, fit_head
from training.learning.networks.trunk import Trunk
from training.learning.networks.weights import Weights
from training.learning.verify import verify_extraction


def written(folder: Path, dim: int = 6, trunk_key: str = "t") -> tuple[Head, np.ndarray]:
    x, labels = blobs(60, dim, 3)
    head, _ = fit_head(x, np.eye(3)[labels], categories=["a", "b", "c"], options=HeadOptions(strength=0.1), seed=1)
    write_version(
        folder, head=head, categories=["a", "b", "c"], trunk_key=trunk_key, backbone=SMALL.key, size=128,
        temperature=1.5, recipe="feature_extraction", metrics={"top1": 1.0},
    )  # fmt: skip
    return head, x


def test_a_version_answers_as_the_head_that_was_written(tmp_path: Path) -> None:
    head, x = written(tmp_path / "1")
    version = load_version(tmp_path / "1")
    assert isinstance(version, Classifier)
    assert version.categories == ("a", "b", "c")
    assert version.temperature == 1.5
    np.testing.assert_allclose(
        version.probabilities_from_features(x), head.with_temperature(1.5).probabilities(x), rtol=1e-6
    )
    assert version.probabilities_from_features(np.empty((0, 6))).shape == (0, 3)


@pytest.mark.parametrize("name", ["head.npz", "manifest.json"])
def test_a_damaged_version_is_refused(tmp_path: Path, name: str) -> None:
    written(tmp_path / "1")
    path = tmp_path / "1" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactDamaged):
        load_version(tmp_path / "1")


def test_a_manifest_that_points_elsewhere_or_renames_categories_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "1")
    path = tmp_path / "1" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"files": {"../1/head.npz": manifest["files"]["head.npz"]}}))
    with pytest.raises(ArtifactDamaged):
        load_version(tmp_path / "1")
    path.write_text(json.dumps(manifest | {"categories": ["a", "b", "x"]}))
    with pytest.raises(ArtifactDamaged, match="categories"):
        load_version(tmp_path / "1")
    path.write_text(json.dumps(manifest | {"schema": 99}))
    with pytest.raises(ArtifactDamaged, match="schema"):
        load_version(tmp_path / "1")


def test_an_extraction_version_answers_like_keras_on_pictures(
    tmp_path: Path, small_trunk: Trunk, small_weights: Weights, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    pictures, labels = drawn
    head, _ = fit_head(small_trunk.embed(pictures), np.eye(2)[labels], categories=["across", "down"])
    write_version(
        tmp_path / "1", head=head, categories=["across", "down"], trunk_key=small_trunk.key, backbone=SMALL.key,
        size=128, temperature=0.8, recipe="feature_extraction", metrics={},
    )  # fmt: skip
    for deep in (True, False):
        found = verify_extraction(tmp_path / "1", small_trunk, SMALL, small_weights, pictures[:12], deep=deep)
        assert found["verification"]["passed"]
        assert found["verification"]["difference"] <= 1e-4
    assert load_version(tmp_path / "1").manifest["verification"]["count"] == 12


def test_a_version_that_differs_may_not_serve(tmp_path: Path) -> None:
    written(tmp_path / "1")
    right = np.array([[0.6, 0.4], [0.3, 0.7]])
    assert compare_with_keras(right, right)["passed"]
    for wrong in (right + 2e-4, right[:, ::-1], np.full((2, 2), np.nan)):
        found = compare_with_keras(wrong, right)
        assert not found["passed"]
    with pytest.raises(NotFaithful, match="differs"):
        record_verification(tmp_path / "1", found)
    assert not compare_with_keras(np.empty((0, 2)), np.empty((0, 2)))["passed"]


def test_writing_the_same_version_twice_gives_the_same_hashes(tmp_path: Path) -> None:
    for name in ("1", "2"):
        written(tmp_path / name)
    first, second = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("1", "2"))
    assert first == second
