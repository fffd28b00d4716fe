"""The feature store: nothing lost, nothing wrong, whatever happens to the files."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.learning.conftest import sha
from training.learning import feature_store
from training.learning.errors import LearningError
from training.learning.feature_store import FeatureStore


def filled(root: Path, count: int, dim: int = 6, batch: int = 50) -> tuple[FeatureStore, list[str], np.ndarray]:
    store = FeatureStore(root, "trunk", dim)
    shas = [sha(i) for i in range(count)]
    values = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    for start in range(0, count, batch):
        store.put(shas[start : start + batch], values[start : start + batch])
    return store, shas, values


def test_what_was_put_comes_back_to_the_bit_and_the_rest_is_missing(tmp_path: Path) -> None:
    store, shas, values = filled(tmp_path, 300)
    found_values, found = store.get([*reversed(shas), sha("never put")])
    assert found[:-1].all()
    assert not found[-1]
    np.testing.assert_array_equal(found_values[:-1], values[::-1])


def test_another_process_reads_what_this_one_wrote(tmp_path: Path) -> None:
    _, shas, values = filled(tmp_path, 40)
    again, found = FeatureStore(tmp_path, "trunk", 6).get(shas)
    assert found.all()
    np.testing.assert_array_equal(again, values)


def test_many_small_puts_are_merged_into_few_files(tmp_path: Path) -> None:
    store, shas, values = filled(tmp_path, 600, batch=1)
    assert len(list(store.folder.glob("*.seg"))) < 3 * feature_store.TIER
    np.testing.assert_array_equal(store.get(shas)[0], values)


def test_rows_as_large_as_activations_are_merged_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_store, "CHUNK", 1 << 16)  # bytes: 16 of these rows
    monkeypatch.setattr(feature_store, "TIER", 30)
    store, shas, values = filled(tmp_path, 29 * 40, dim=1000, batch=40)
    tracemalloc.start()
    try:
        store.put([sha(i) for i in range(-40, 0)], values[:40])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(list(store.folder.glob("*.seg"))) == 1
    assert peak < values.nbytes / 4
    np.testing.assert_array_equal(store.get(shas)[0], values)


def test_the_same_picture_twice_stays_one_value(tmp_path: Path) -> None:
    store, shas, values = filled(tmp_path, 20)
    for _ in range(2 * feature_store.TIER):
        store.put(shas, values)
    assert store.count() < 20 * feature_store.TIER
    np.testing.assert_array_equal(store.get(shas)[0], values)


@settings(max_examples=40, deadline=None)
@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_never_gives_a_wrong_value(
    tmp_path_factory: pytest.TempPathFactory, position: int, flip: int
) -> None:
    root = tmp_path_factory.mktemp("damaged")
    _, shas, values = filled(root, 40)
    path = next(root.rglob("*.seg"))
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= flip
    path.write_bytes(bytes(data))
    again, found = FeatureStore(root, "trunk", 6).get(shas)
    np.testing.assert_array_equal(again[found], values[found])
    assert found.sum() >= 38 or not found.any()  # a row or two, or the header or the order and with it the file


def test_a_merge_takes_the_whole_one_of_two_rows_also_where_the_damaged_one_is_newer(
    tmp_path: Path,
) -> None:
    store, shas, values = filled(tmp_path, 2, batch=1)
    for _ in range(feature_store.TIER - 3):
        store.put(shas[:1], values[:1])
    newest = max(store.folder.glob("*.seg"))
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(bytes(data))
    store.put(shas[1:], values[1:])
    assert len(list(store.folder.glob("*.seg"))) == 1
    np.testing.assert_array_equal(store.get(shas)[0], values)


def test_a_picture_whose_hash_begins_as_another_one_s_is_not_that_one(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, "trunk", 2)
    store.put(["ab" * 8 + "00" * 24], np.ones((1, 2)))
    other = ["ab" * 8 + "11" * 24]
    assert (store.get(other)[1].any(), store.has(other).any()) == (False, False)


def test_a_truncated_file_is_deleted_and_its_rows_are_made_again(tmp_path: Path) -> None:
    _, shas, values = filled(tmp_path, 40)
    path = next(tmp_path.rglob("*.seg"))
    path.write_bytes(path.read_bytes()[:-3])
    store = FeatureStore(tmp_path, "trunk", 6)
    assert not store.get(shas)[1].any()
    assert not path.exists()
    store.put(shas, values)
    assert store.get(shas)[1].all()


def test_features_that_are_no_numbers_are_made_again_however_they_came_there(tmp_path: Path) -> None:
    _, shas, values = filled(tmp_path, 4)
    path, bad = next(tmp_path.rglob("*.seg")), np.where(np.arange(6) == 2, np.nan, values[:1]).astype(np.float32)
    order = sorted(range(4), key=lambda i: shas[i])
    data, at = bytearray(path.read_bytes()), feature_store.HEADER + 4 * (8 + 32)
    row = order.index(0)
    data[at + 8 * row : at + 8 * row + 8] = feature_store.checksums(feature_store.as_keys(shas[:1]), bad).tobytes()
    data[at + 32 + 24 * row : at + 32 + 24 * row + 24] = bad.tobytes()
    path.write_bytes(data)
    store = FeatureStore(tmp_path, "trunk", 6)
    assert store.get(shas)[1].tolist() == [False, True, True, True]
    store.put(shas[:1], values[:1])
    np.testing.assert_array_equal(store.get(shas)[0], values)


def test_a_folder_that_is_deleted_under_an_open_store_is_made_again(tmp_path: Path) -> None:
    store, shas, values = filled(tmp_path / "features", 40)
    assert store.get(shas)[1].all()
    shutil.rmtree(tmp_path / "features")
    assert not store.get(shas)[1].any()
    assert not store.has(shas).any()
    store.put(shas, values)
    np.testing.assert_array_equal(store.get(shas)[0], values)


def _write(root: Path, first: int, barrier: object) -> None:
    store = FeatureStore(root, "trunk", 4)
    for i in range(first, first + 150):
        store.put([sha(i)], np.full((1, 4), i, np.float32))


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    context: Any = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, first, None)) for first in (0, 75, 150)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    values, found = FeatureStore(tmp_path, "trunk", 4).get([sha(i) for i in range(300)])
    assert found.all()
    np.testing.assert_array_equal(values[:, 0], np.arange(300))


def test_a_merge_keeps_a_reader_that_has_the_old_files_open(tmp_path: Path) -> None:
    reader, shas, values = filled(tmp_path, 40, batch=40)
    assert reader.get(shas)[1].all()
    writer = FeatureStore(tmp_path, "trunk", 6)
    for i in range(100, 140):
        writer.put([sha(i)], np.zeros((1, 6), np.float32))
    again, found = reader.get(shas)
    assert found.all()
    np.testing.assert_array_equal(again, values)


def test_beyond_its_bound_the_store_forgets_the_oldest(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, "trunk", 100, max_bytes=200_000)
    shas = [sha(i) for i in range(1000)]
    for start in range(0, 1000, 100):
        store.put(shas[start : start + 100], np.zeros((100, 100), np.float32))
    found = store.get(shas)[1]
    assert store.size() <= 200_000
    assert found[-100:].all()
    assert not found[:100].any()


def test_the_stores_of_all_trunks_share_one_bound(tmp_path: Path) -> None:
    old, new = (FeatureStore(tmp_path, name, 100, max_bytes=100_000) for name in ("z-old", "a-new"))
    shas = [sha(i) for i in range(200)]
    for start in (0, 100):
        old.put(shas[start : start + 100], np.zeros((100, 100), np.float32))
    for age, path in enumerate(sorted(old.folder.glob("*.seg"), reverse=True)):
        os.utime(path, (time.time() - 60 - age,) * 2)
    new.put(shas[:100], np.zeros((100, 100), np.float32))

    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.seg")) <= 100_000
    assert new.get(shas[:100])[1].all()
    assert old.get(shas)[1].tolist() == [False] * 100 + [True] * 100


@pytest.mark.parametrize("bad", [np.full((2, 6), np.nan), np.zeros((2, 5)), np.zeros((3, 6))])
def test_wrong_features_are_refused_and_nothing_is_kept(tmp_path: Path, bad: np.ndarray) -> None:
    store = FeatureStore(tmp_path, "trunk", 6)
    with pytest.raises(LearningError, match="feature"):
        store.put([sha(0), sha(1)], bad)
    assert store.count() == 0


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full, which says that the disk is full, is Linux's")
    import resource

    store, shas, values = filled(tmp_path, 10)
    child = os.fork()
    if child == 0:  # a file size limit of the child alone stands for the full disk
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            store.put([sha(i) for i in range(100, 200)], np.zeros((100, 6), np.float32))
        except LearningError as error:
            os._exit(0 if error.code == "disk_full" else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not list(store.folder.glob(".*.tmp"))
    np.testing.assert_array_equal(store.get(shas)[0], values)


def test_a_folder_where_nothing_may_be_written_is_told_apart_from_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: object, **_options: object) -> None:  # whoever runs the tests may be allowed everything
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    store = FeatureStore(tmp_path, "trunk", 6)
    monkeypatch.setattr(feature_store, "open", refuse, raising=False)
    with pytest.raises(LearningError, match=r"Permission denied\. Let this process write there") as refused:
        store.put([sha(1)], np.zeros((1, 6), np.float32))
    assert refused.value.code == "not_written"


def test_a_hash_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="64 hexadecimal"):
        FeatureStore(tmp_path, "trunk", 6).get(["cat.jpg"])
