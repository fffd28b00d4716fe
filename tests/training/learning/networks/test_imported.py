"""What a champion has learned as a backbone: its own manifest says where it was cut, not the zoo of today."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.learning.conftest import SMALL
from training.learning.errors import ArtifactDamaged, LearningError
from training.learning.networks import imported, weights
from training.learning.networks.boundary import cut_tensor
from training.learning.networks.keys import trunk_key
from training.learning.networks.network import build
from training.learning.networks.weights import Weights

EARLIER = "stage2_b_out"  # neither the last block's boundary nor the deeper one


def version(folder: Path, cut: str, small_weights: Weights, add: float) -> Path:
    """A fine-tuned version whose every number behind the cut is ``add`` larger than the bundled one."""
    base = build(SMALL, small_weights)
    behind = keras.Model(cut_tensor(base, cut), base.output).get_weights()
    folder.mkdir()
    np.savez(folder / "tail.npz", **{f"w{index}": value + add for index, value in enumerate(behind)})
    facts = {"cut": cut, "files": {"tail.npz": ""}, "trunk_key": trunk_key(SMALL, small_weights.sha256, cut)}
    (folder / "manifest.json").write_text(json.dumps(facts))
    return folder


def test_a_version_that_was_cut_elsewhere_than_the_zoo_cuts_today_is_a_backbone_as_it_was_cut(
    small_weights: Weights, tmp_path: Path
) -> None:
    old = version(tmp_path / "1", EARLIER, small_weights, 0.5)

    kept = imported.store_tail(old, SMALL, small_weights, tmp_path / "kept", key="old", title="Old", source="version 1")

    assert (kept.cut, SMALL.cut) == (EARLIER, "stage2_c_out")
    found = imported.find("old", tmp_path / "kept")
    base, plain = build(found, weights.require(found, tmp_path)), build(SMALL, small_weights)
    for layer, added in (("stage2_b_project", 0.0), ("stage2_c_project", 0.5), ("stage3_a_project", 0.5)):
        for mine, theirs in zip(base.get_layer(layer).get_weights(), plain.get_layer(layer).get_weights(), strict=True):
            np.testing.assert_allclose(mine, theirs + added, atol=1e-6)


def test_a_version_on_a_champion_is_one_where_the_champion_was_cut_or_deeper(
    small_weights: Weights, tmp_path: Path
) -> None:
    first = version(tmp_path / "1", EARLIER, small_weights, 0.5)
    champion = imported.store_tail(
        first, SMALL, small_weights, tmp_path / "kept", key="first", title="First", source="version 1"
    )
    found = weights.require(champion, tmp_path)
    deeper = version(tmp_path / "2", SMALL.deeper, small_weights, 0.25)

    second = imported.store_tail(
        deeper, champion, found, tmp_path / "kept", key="second", title="Second", source="version 2"
    )

    assert (second.root, second.cut) == (SMALL, SMALL.deeper)
    # Of what lies between the champion's cut and a later one, a version's file says nothing.
    later = version(tmp_path / "3", SMALL.cut, small_weights, 0.25)
    with pytest.raises(LearningError, match="was cut at stage2_c_out"):
        imported.store_tail(later, champion, found, tmp_path / "kept", key="third", title="", source="")


def test_what_was_learned_on_other_weights_is_put_on_none(small_weights: Weights, tmp_path: Path) -> None:
    old = version(tmp_path / "1", SMALL.cut, small_weights, 0.5)
    other = replace(small_weights, sha256="0" * 64)  # the file was replaced, or random ones are drawn anew

    with pytest.raises(LearningError, match="What version 1 has learned fits other weights of Crowdtune small"):
        imported.store_tail(old, SMALL, other, tmp_path / "kept", key="x", title="X", source="version 1")
    assert not (tmp_path / "kept").exists()


def test_a_version_whose_files_are_gone_is_refused_in_words(small_weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged, match="no whole model version"):
        imported.store_tail(tmp_path / "1", SMALL, small_weights, tmp_path / "kept", key="x", title="X", source="")
    assert imported.keys(tmp_path / "kept") == []


def test_a_full_disk_is_said_in_words_and_leaves_nothing(
    tmp_path: Path, small_weights: Weights, request: pytest.FixtureRequest
) -> None:
    version(tmp_path / "1", SMALL.cut, small_weights, 0.5)
    request.getfixturevalue("small_disk")

    with pytest.raises(LearningError, match="Free some disk") as refused:
        imported.store_tail(tmp_path / "1", SMALL, small_weights, tmp_path / "kept", key="old", title="Old", source="")

    assert refused.value.code == "disk_full"
    assert not list((tmp_path / "kept").iterdir())
