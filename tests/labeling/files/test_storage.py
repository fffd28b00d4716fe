"""Files appear whole, whoever else stores the same ones at the same moment."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, filesystem

from labeling.files import storage
from labeling.upkeep import tidying

DATA = bytes(range(256)) * 4000


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


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
    assert files(own_media) == ["a.jpg"]


def test_a_disk_that_is_full_keeps_nothing_of_the_try(own_media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(filesystem, "file_move_safe", full)
        with pytest.raises(OSError, match="No space"):
            storage.put("a.jpg", DATA)
    assert files(own_media) == []
    assert storage.put("a.jpg", DATA) == "a.jpg"


@pytest.mark.django_db
def test_what_a_kill_leaves_is_no_file_of_the_name_and_goes_after_a_day(
    own_media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    for number in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(filesystem, "file_move_safe", killed)
            patched.setattr(FileSystemStorage, "delete", killed)
            with pytest.raises(KeyboardInterrupt):
                storage.put(f"projects/1/{number}.jpg", DATA)
    assert not default_storage.exists("projects/1/0.jpg")
    old, young = files(own_media)
    day = 86_400
    os.utime(own_media / storage.PARTS / old, (time.time() - day - 60,) * 2)
    tidying.forget()
    assert files(own_media) == [young]


def test_a_file_takes_the_place_of_another_with_the_modes_of_what_is_private(own_media: Path) -> None:
    for text in (b"first", b"second, and longer"):
        assert storage.put_file("exports/7/a.csv", ContentFile(text)) == "exports/7/a.csv"
    assert storage.read("exports/7/a.csv") == b"second, and longer"
    modes = [path.stat().st_mode & 0o777 for path in (own_media / "exports", own_media / "exports/7/a.csv")]
    assert modes == [0o700, 0o640]
