"""Each picture is decoded and embedded once, ever; views are always the same; a kill keeps what was done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.learning.conftest import sha
from training.learning.augment import Augmentation, view, view_key
from training.learning.errors import Cancelled
from training.learning.feature_store import FeatureStore
from training.learning.networks.trunk import Trunk
from training.learning.store_filling import embed_missing, gather


def test_only_what_is_missing_is_read(tmp_path: Path, small_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, _ = drawn
    store = FeatureStore(tmp_path, small_trunk.key, small_trunk.dim)
    shas, read = [sha(i) for i in range(20)], []

    def picture(index: int) -> np.ndarray:
        read.append(index)
        return pictures[index]

    assert embed_missing(store, small_trunk, shas[:12], picture, batch=5) == 12
    assert embed_missing(store, small_trunk, shas, picture, batch=5) == 8
    assert sorted(read) == list(range(20))
    features, owners = gather(store, shas)
    np.testing.assert_array_equal(owners, np.arange(20))
    np.testing.assert_array_equal(features, small_trunk.embed(pictures[:20]))


def test_views_are_embedded_beside_the_picture(
    tmp_path: Path, small_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    pictures, _ = drawn
    store = FeatureStore(tmp_path, small_trunk.key, small_trunk.dim)
    shas = [sha(i) for i in range(4)]
    embed_missing(store, small_trunk, shas, lambda i: pictures[i], views=2)
    features, owners = gather(store, shas, views=2)
    assert sorted(owners.tolist()) == sorted([0, 1, 2, 3] * 3)
    expected = small_trunk.embed(view(pictures[3], shas[3], 1)[None])[0]
    np.testing.assert_array_equal(features[-1], expected)
    assert embed_missing(store, small_trunk, shas, lambda i: pictures[i], views=2) == 0


@pytest.mark.parametrize("views", [0, 1, 3])
def test_a_cancelled_embedding_keeps_what_it_did_however_many_views_each_picture_has(
    views: int, tmp_path: Path, small_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    store = FeatureStore(tmp_path, small_trunk.key, small_trunk.dim)
    shas = [sha(i) for i in range(12)]
    with pytest.raises(Cancelled):
        embed_missing(
            store, small_trunk, shas, lambda i: drawn[0][i], views=views, batch=4, progress=lambda report: False
        )
    assert store.get(shas)[1].sum() == 4 // (views + 1)
    assert store.count() == 4


def test_a_view_is_always_the_same_and_never_the_picture(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    picture = drawn[0][0]
    first, second = view(picture, sha(0), 0), view(picture, sha(0), 1)
    np.testing.assert_array_equal(first, view(picture.copy(), sha(0), 0))
    assert first.shape == picture.shape
    assert first.dtype == np.uint8
    assert (first != second).any()
    assert (first != picture).any()


def test_an_augmentation_that_does_nothing_gives_the_picture(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    nothing = Augmentation(mirror=False, area=1.0, degrees=0.0, light=0.0)
    np.testing.assert_array_equal(view(drawn[0][0], sha(0), 0, nothing), drawn[0][0])


def test_mirroring_swaps_left_and_right(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    only = Augmentation(mirror=True, area=1.0, degrees=0.0, light=0.0)
    seen = {view(drawn[0][0], sha(i), 0, only).tobytes() for i in range(20)}
    assert seen == {drawn[0][0].tobytes(), drawn[0][0][:, ::-1].tobytes()}


def test_the_key_of_a_view_depends_on_how_it_is_made() -> None:
    keys = {view_key(sha(0), 0, Augmentation()), view_key(sha(0), 1, Augmentation()),
            view_key(sha(1), 0, Augmentation()), view_key(sha(0), 0, Augmentation(mirror=False))}  # fmt: skip
    assert len(keys) == 4
