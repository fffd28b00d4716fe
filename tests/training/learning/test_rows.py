"""Tables that need not fit into memory: the same numbers, without the memory."""

from __future__ import annotations

import errno
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.training.learning.conftest import blobs
from training.learning.errors import LearningError
from training.learning.heads.head import HeadOptions, fit_head
from training.learning.rows import BLOCK, HELD, Rows, Standardised, blank


def mapped(x: np.ndarray, folder: Path) -> np.ndarray:
    table = blank(*x.shape, folder, held=0)
    table[:] = x
    return table


def test_a_large_table_is_a_file_that_leaves_no_name_behind(tmp_path: Path) -> None:
    table = blank(10, 3, tmp_path, held=0)

    assert isinstance(table, np.memmap)
    assert not table.any()
    table[4] = 7
    assert table[4].tolist() == [7, 7, 7]
    assert list(tmp_path.iterdir()) == []


def test_a_small_table_is_held(tmp_path: Path) -> None:
    assert type(blank(10, 3, tmp_path)) is np.ndarray


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, small_disk: None) -> None:
    with pytest.raises(LearningError, match="Free some disk") as refused:
        blank(2000, 3, tmp_path, held=0)
    assert refused.value.code == "disk_full"


@pytest.fixture(params=[errno.EOPNOTSUPP, errno.EINVAL, None])
def no_fallocate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot reserve room, and a system without the call."""

    def refuse(*_arguments: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    if request.param is None:
        monkeypatch.delattr(os, "posix_fallocate")
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse)


def test_where_no_room_can_be_reserved_zeros_take_it(tmp_path: Path, no_fallocate: None) -> None:
    table = blank(1000, 300, tmp_path, held=0)

    assert isinstance(table, np.memmap)
    assert not table.any()
    table[999] = 7
    assert table[999].all()


def test_a_full_disk_is_said_there_too(tmp_path: Path, no_fallocate: None, small_disk: None) -> None:
    with pytest.raises(LearningError, match="Free some disk"):
        blank(2000, 3, tmp_path, held=0)


def test_rows_are_read_in_their_order_and_not_before(tmp_path: Path) -> None:
    table = mapped(np.arange(4 * BLOCK, dtype=np.float32).reshape(-1, 2), tmp_path)
    rows = Rows(table, np.arange(len(table))[::-1])[np.arange(BLOCK + 3)] + Rows(table, np.array([5]))
    table[5] = [-1, -2]

    blocks = list(rows.blocks())

    assert [at for at, _ in blocks] == [slice(0, BLOCK), slice(BLOCK, BLOCK + 4)]
    read = np.concatenate([block for _, block in blocks])
    np.testing.assert_array_equal(read, np.concatenate([table[::-1][: BLOCK + 3], [[-1, -2]]]))
    np.testing.assert_array_equal(rows.read(np.array([1, 0])), table[[-2, -1]])
    assert rows.shape == (BLOCK + 4, 2)


def test_what_is_standardised_at_each_reading_equals_what_is_held(tmp_path: Path) -> None:
    x, _ = blobs(BLOCK + 100, 6, 2)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    held, read = (Standardised(Rows.of(x), mean, scale, held=most) for most in (HELD, 0))

    for (at, a), (same, b) in zip(held.blocks(), read.blocks(), strict=True):
        assert at == same
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, (x[at] - mean) / scale, rtol=1e-6)


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_a_fit_on_rows_of_a_file_gives_the_same_bytes_as_on_an_array(hidden: tuple[int, ...], tmp_path: Path) -> None:
    x, labels = blobs(900, 12, 3)
    y = np.eye(3, dtype=np.float32)[labels]
    train, held = np.flatnonzero(np.arange(900) % 5), np.flatnonzero(np.arange(900) % 5 == 0)
    table = Rows.of(mapped(x, tmp_path))
    for name, some in (("array", lambda at: x[at]), ("file", lambda at: table[at])):
        options = HeadOptions(hidden=hidden, epochs=10)
        head, _ = fit_head(some(train), y[train], None, some(held), y[held], categories=list("abc"), options=options)
        head.save(tmp_path / name)
    assert (tmp_path / "array").read_bytes() == (tmp_path / "file").read_bytes()


def test_a_fit_on_a_file_holds_no_copy_of_it(tmp_path: Path) -> None:
    dim = 256
    count = 2 * HELD // (4 * dim)
    table = blank(count, dim, tmp_path)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    for start in range(0, count, BLOCK):
        noise = rng.standard_normal((BLOCK, dim), dtype=np.float32)
        table[start : start + BLOCK] = noise + labels[start : start + BLOCK, None]
    y = np.eye(2, dtype=np.float32)[labels]
    tracemalloc.start()
    try:
        fit_head(Rows.of(table), y, categories=["a", "b"], options=HeadOptions(strength=0.1, epochs=2))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < table.nbytes / 4
