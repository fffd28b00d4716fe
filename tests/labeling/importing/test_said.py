"""What a file has said is known after a kill at any moment, and takes few files however long it is."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from labeling.files import storage
from labeling.importing import said as module
from labeling.importing.said import Said
from labeling.questions import BadAnswer


@pytest.fixture
def job(own_media: Path) -> str:
    return str(uuid4())


def files(own_media: Path, job: str) -> list[Path]:
    return sorted((own_media / "imports" / job).glob("said-*"))


def say(said: Said, first: int, last: int) -> None:
    """A line a picture, each kept with a checkpoint of its own."""
    for number in range(first, last):
        said.check_is_first(number, "pet", "cat")
        said.keep(number + 1)


def knows(job: str, position: int) -> int:
    """How many pictures an import that goes on from there knows the answers of, from the first on."""
    said = Said(job, position)
    for number in range(position + 1):
        try:
            said.check_is_first(number, "pet", "dog")
        except BadAnswer:
            continue
        return number
    return position + 1


@pytest.mark.parametrize("position", [1, 16, 17, 255, 256, 257, 300])
def test_an_import_goes_on_with_what_it_knew_however_far_it_had_come(own_media: Path, job: str, position: int) -> None:
    say(Said(job, 0), 0, position)
    assert knows(job, position) == position


def test_a_long_import_keeps_few_files(own_media: Path, job: str) -> None:
    """There was one for each part of a file: forty thousand for a million labels."""
    said = Said(job, 0)
    say(said, 0, 600)
    assert len(files(own_media, job)) <= 3 * module.TOGETHER
    again = Said(job, 600)
    say(again, 600, 700)
    assert len(files(own_media, job)) <= 3 * module.TOGETHER
    assert knows(job, 700) == 700


def test_what_a_kill_left_of_a_part_that_was_not_written_is_told_anew(own_media: Path, job: str) -> None:
    say(Said(job, 0), 0, 33)
    assert knows(job, 32) == 32  # the 33rd was kept, and its rows were not


def test_a_kill_between_putting_together_and_tidying_loses_nothing(
    own_media: Path, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said(job, 0)
    say(said, 0, module.TOGETHER)

    def killed(_name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module.default_storage, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            say(said, module.TOGETHER, module.TOGETHER + 1)
    assert knows(job, module.TOGETHER) == module.TOGETHER
    assert storage.read(f"imports/{job}/said-{module.TOGETHER:09d}")
