"""Files that cannot be loaded: read once, and again when they have changed or a while has gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.engine import engine as engines
from inference.engine.admission import Admission
from inference.engine.engine import Engine
from inference.engine.routing import VersionRef
from inference.errors import BrokenVersion

VERSION = VersionRef(1, 1, 1, "models/1/1", ("a", "b"))


@pytest.fixture
def opened() -> list[Path]:
    """The folders that were opened."""
    return []


@pytest.fixture
def engine(tmp_path: Path, opened: list[Path]) -> Engine:
    def open_version(folder: Path):
        opened.append(folder)
        if (text := (folder / "head.npz").read_text()) != "whole":
            raise ValueError("another file than was written")
        return text

    admission = Admission(lanes=1, waiting=1)
    (tmp_path / VERSION.folder).mkdir(parents=True)
    return Engine(
        data_dir=tmp_path, memory=10**6, admission=admission, open_trunk=open_version, open_version=open_version
    )


def test_files_that_cannot_be_loaded_are_read_anew_only_when_they_have_changed(
    engine: Engine, opened: list[Path]
) -> None:
    file = engine.data_dir / VERSION.folder / "head.npz"
    for tries, text in enumerate(["torn", "torn again"], 1):
        file.write_text(text)
        for _request in range(5):
            with pytest.raises(BrokenVersion, match="Version 1 cannot be loaded"):
                engine.classifier(VERSION)
        assert len(opened) == tries
    file.write_text("whole")
    assert [engine.classifier(VERSION) for _request in range(5)] == ["whole"] * 5
    assert len(opened) == 3


def test_a_folder_that_is_gone_is_looked_at_again_once_it_is_there(engine: Engine, opened: list[Path]) -> None:
    folder = engine.data_dir / VERSION.folder
    folder.rmdir()
    for _request in range(5):
        with pytest.raises(BrokenVersion):
            engine.classifier(VERSION)
    folder.mkdir()
    (folder / "head.npz").write_text("whole")
    assert engine.classifier(VERSION) == "whole"
    assert len(opened) == 2


def test_what_may_have_been_the_machines_fault_is_tried_again_after_a_while(
    engine: Engine, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "AGAIN", 0.0)
    (engine.data_dir / VERSION.folder / "head.npz").write_text("torn")
    for _request in range(3):
        with pytest.raises(BrokenVersion):
            engine.classifier(VERSION)
    assert len(opened) == 3
