"""Weights are found, recognised, fetched whole or not at all."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.published import CONTENT, published
from training.learning import files
from training.learning.errors import WeightsMissing
from training.learning.networks import weights
from training.learning.networks.backbones import BACKBONES

V2 = BACKBONES["mobilenet_v2_0.35"]


def test_a_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    found = weights.locate(V2, tmp_path)
    assert (found.state, found.path) == ("missing", None)
    with pytest.raises(WeightsMissing) as caught:
        weights.require(V2, tmp_path)
    assert str(tmp_path / "models" / V2.weights_file) in caught.value.message


def test_a_file_of_unknown_hash_is_used_and_shown_as_such(tmp_path: Path) -> None:
    path = tmp_path / "models" / V2.weights_file
    path.parent.mkdir()
    path.write_bytes(b"something")
    found = weights.require(V2, tmp_path)
    assert found.state == "unknown_hash"
    assert found.sha256 == hashlib.sha256(b"something").hexdigest()


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    backbone = replace(V2, weights_hash=hashlib.md5(b"right").hexdigest())
    path = tmp_path / "models" / V2.weights_file
    path.parent.mkdir()
    path.write_bytes(b"wrong one")
    with pytest.raises(WeightsMissing, match="hash differs"):
        weights.require(backbone, tmp_path)
    path.write_bytes(b"right")
    assert weights.require(backbone, tmp_path).state == "verified"
    read = files._digest.cache_info().misses
    assert weights.require(backbone, tmp_path).state == "verified"
    assert files._digest.cache_info().misses == read  # pages look at hundreds of megabytes of them


def test_auto_takes_the_best_that_is_here_and_the_bundled_one_otherwise(tmp_path: Path) -> None:
    assert weights.best_available(tmp_path) == "crowdtune_small"
    path = tmp_path / "models" / V2.weights_file
    path.parent.mkdir()
    path.write_bytes(b"something")
    assert weights.best_available(tmp_path) == "mobilenet_v2_0.35"


def test_two_that_fetch_at_once_download_once(tmp_path: Path, server: tuple[str, dict[str, int]]) -> None:
    url, state = server
    backbone = published(url)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: weights.fetch(backbone, tmp_path), range(4)))
    assert {one.state for one in found} == {"verified"}
    assert state["requests"] == 1
    assert found[0].expected.read_bytes() == CONTENT


@pytest.mark.parametrize("case", ["cut off", "another file", "stopped", "no server"])
def test_a_download_that_fails_leaves_nothing(tmp_path: Path, server: tuple[str, dict[str, int]], case: str) -> None:
    url, state = server
    if case == "cut off":
        state["send"] = 1000
    backbone = published(
        "http://127.0.0.1:9/" if case == "no server" else url, "0" * 64 if case == "another file" else ""
    )
    progress = (lambda share: False) if case == "stopped" else None
    with pytest.raises(WeightsMissing):
        weights.fetch(backbone, tmp_path, progress)
    assert [path for path in (tmp_path / "models").iterdir() if not path.name.endswith(".lock")] == []


def test_a_folder_that_may_not_be_written_is_named_with_the_setting(server: tuple[str, dict[str, int]]) -> None:
    """The kernel's own, where nobody makes folders, root included."""
    with pytest.raises(WeightsMissing, match=r"/sys/models.*KERAS_HOME"):
        weights.fetch(published(server[0]), Path("/sys"))


def test_the_weights_of_the_shared_folder_are_recognised(shared_data: Path) -> None:
    home = shared_data / "weights"
    assert weights.locate(V2, home).state == "verified"
    assert weights.locate(BACKBONES["mobilenet_0.25"], home).state == "verified"
    assert weights.locate(BACKBONES["mobilenet_v2_1.0"], home).state == "unknown_hash"
