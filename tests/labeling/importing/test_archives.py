"""Archives that were made to harm whoever opens them: no header is read for ever, or into memory whole."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from labeling.importing import archives
from labeling.importing.archives import PIECE, MemberRefused
from labeling.importing.known import Files, UnreadableError
from labeling.importing.known import files as known_files

END = b"\0" * 1024


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar header that says any size, also one below zero."""
    info = tarfile.TarInfo(name)
    info.type = kind
    made = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    made[124:136] = (size % 2**96).to_bytes(12, "big") if size < 0 else b"\x80" + size.to_bytes(11, "big")
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


def names(data: bytes) -> list[str]:
    return [member.name for member in archives.members(io.BytesIO(data), most_bytes=2**20)]


def test_a_tar_is_read_in_pieces_whatever_packs_it() -> None:
    content = bytes(range(256)) * 10_000  # of several pieces
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode) as archive:
            info = tarfile.TarInfo("a" * 200 + ".png")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        found = {member.name: member.read() for member in archives.members(packed, most_bytes=2**26)}
        assert found == {info.name: content}
        with pytest.raises(MemberRefused, match="MB are accepted per file"):
            next(archives.members(packed, most_bytes=len(content) - 1)).read()


@pytest.mark.parametrize("name", ["b.png", "._b.png", "__MACOSX/b.png"])
def test_a_member_that_ends_before_it_begins_is_not_read_for_ever(name: str) -> None:
    with pytest.raises(MemberRefused, match="before it begins"):
        names(header("a.png", 0) + header(name, -512) + END)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_of_many_megabytes_is_not_read(kind: bytes, tmp_path: Path) -> None:
    packed = tmp_path / "a.tar.gz"
    with gzip.open(packed, "wb") as file:
        file.write(header("a.png", 0) + header("long", 64 * PIECE, kind))
        for _piece in range(64):
            file.write(b"a" * PIECE)
        file.write(header("b.png", 0) + END)
    with pytest.raises(MemberRefused) as refused:
        names(packed.read_bytes())
    assert refused.value.code == "damaged_archive"


def test_folders_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 20)
    with pytest.raises(MemberRefused, match="At most 20 files"):
        names(header("folder/", 0, tarfile.DIRTYPE) * 30 + END)


@pytest.mark.parametrize(("count", "name"), [(30, "a"), (2, "a" * 6000)], ids=["many", "long"])
def test_a_zip_of_too_many_members_is_refused_before_its_list_is_made(
    count: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 20)
    monkeypatch.setattr(known_files, "MOST_ENTRIES", 20)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(count):
            archive.writestr(f"{name}{number}.png", b"")
    before, line, last = packed.getvalue().rpartition(b"PK\x01\x02")
    damaged = before + b"PK\x01\x00" + last  # which who reads so far would tell
    assert line
    with pytest.raises(MemberRefused, match="At most 20 files"):
        names(damaged)
    with pytest.raises(UnreadableError, match="At most 20 files"):
        Files(io.BytesIO(damaged), "many.zip")
    assert archives.count(io.BytesIO(damaged)) is None


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_of_two_names_that_differ_in_their_spelling_alone_each_is_kept(kind: str) -> None:
    spelled = ["\u00e9.png", "e\u0301.png", "a.png"]
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as zipped:
            for name in spelled:
                zipped.writestr(name, name)
    else:
        with tarfile.open(fileobj=data, mode="w") as tarred:
            for name in spelled:
                info = tarfile.TarInfo(name)
                info.size = len(name.encode())
                tarred.addfile(info, io.BytesIO(name.encode()))
    found = {member.name: member.read().decode() for member in archives.members(data, most_bytes=2**20)}
    assert found == {name: name for name in spelled}
    data.seek(0)
    files = Files(data, f"a.{kind}")
    assert {name: files.text(name) for name in files.names(".png")} == found


@pytest.mark.parametrize(
    ("stored", "name"), [("\u00fc/\u732b.png".encode(), "\u00fc/\u732b.png"), (b"\x81.png", "\u00fc.png")]
)
def test_a_name_in_utf_8_that_does_not_say_so_is_read_as_it_was_meant_and_one_of_dos_too(
    stored: bytes, name: str
) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        zipped.writestr("x" * len(stored), b"cat")
    data = io.BytesIO(data.getvalue().replace(b"x" * len(stored), stored))
    assert names(data.getvalue()) == [*archives.by_name(data, 2**20)] == [name]
    files = Files(data, "a.zip")
    assert {name: files.text(name) for name in files.names(".png")} == {name: "cat"}
