"""Files appear whole, whoever else stores the same ones at the same moment."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from labeling.files import storage

DATA = bytes(range(256)) * 4000


def test_many_who_store_the_same_bytes_at_once_all_find_them_whole(own_media: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(40):
            name = f"projects/1/{number}.jpg"
            assert list(pool.map(lambda _who, name=name: storage.put(name, DATA), range(8))) == [name] * 8
            assert default_storage.size(name) == len(DATA)
    assert {path.suffix for path in own_media.rglob("*") if path.is_file()} == {".jpg"}


@pytest.mark.parametrize("there", [b"", DATA[:100], DATA], ids=["nothing", "a part", "all"])
def test_what_a_crash_cut_off_is_stored_again(own_media: Path, there: bytes) -> None:
    own_media.mkdir()
    path = own_media / "a.jpg"
    path.write_bytes(there)
    assert storage.put("a.jpg", DATA) == "a.jpg"
    assert path.read_bytes() == DATA
    assert [file.name for file in own_media.iterdir()] == ["a.jpg"]


def test_a_disk_that_is_full_keeps_nothing_of_the_try(own_media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            storage.put("a.jpg", DATA)
    assert [file.name for file in own_media.iterdir()] == []
    assert storage.put("a.jpg", DATA) == "a.jpg"
