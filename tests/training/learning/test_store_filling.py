"""Pictures go into the store batch by batch, a kill keeps what was done; views are always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.learning.conftest import sha
from training.learning.augment import Augmentation, view, view_key
from training.learning.feature_store import FeatureStore
from training.learning.networks.trunk import Trunk
from training.learning.store_filling import fill_store


def test_each_is_read_and_kept_in_its_place_but_for_what_cannot_be_read(
    tmp_path: Path, small_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    pictures, _ = drawn
    store = FeatureStore(tmp_path, small_trunk.key, small_trunk.dim)
    shas, asked = [sha(i) for i in range(80)], list(range(7, 77))
    damaged = {*range(39, 71), 75}  # a whole batch of them, and one beside others

    def read(item: int) -> list[tuple[str, np.ndarray]]:
        return [] if item in damaged else [(shas[item], pictures[item % 20])]

    told = list(fill_store(store, small_trunk.embed, asked, read))
    good = [item for item in asked if item not in damaged]
    assert [item for items, _rows in told for item in items] == good
    assert [len(items) for items, _rows in told] == [32, 5]
    features, found = store.get(shas)
    np.testing.assert_array_equal(np.flatnonzero(found), good)
    np.testing.assert_array_equal(features[good], np.concatenate([rows for _items, rows in told]))
    np.testing.assert_array_equal(features[good], small_trunk.embed(pictures[[item % 20 for item in good]]))
    assert list(fill_store(store, small_trunk.embed, [], read)) == []


@pytest.mark.parametrize(("each", "in_a_batch"), [(1, 32), (2, 16), (5, 6), (100, 1)])
def test_whoever_stops_keeps_what_was_done_however_many_pictures_each_has(
    each: int, in_a_batch: int, tmp_path: Path, small_trunk: Trunk, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    store = FeatureStore(tmp_path, small_trunk.key, small_trunk.dim)

    def read(item: int) -> list[tuple[str, np.ndarray]]:
        return [(sha(each * item + index), drawn[0][index % 20]) for index in range(each)]

    items, rows = next(fill_store(store, small_trunk.embed, range(40), read, each=each))
    assert items == [item for item in range(in_a_batch) for _index in range(each)]
    assert store.count() == len(rows) == in_a_batch * each


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
