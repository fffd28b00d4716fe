"""What a person is told of the error that ended a run."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from training.learning.errors import LearningError
from training.runs import running


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_or_a_share_of_one_that_is_full_is_told_as_such(number: int) -> None:
    found = running.explain(OSError(number, "No"))
    assert found.message.startswith("The disk is full")
    assert "Free some space" in found.advice
    assert not running.explain(OSError(errno.EIO, "No")).message.startswith("The disk is full")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Exception from src/inference/src/dev/plugin.cpp:54:\nstd::bad_alloc\n"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 34359738368 bytes."),
        type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor"),  # TensorFlow's
    ],
)
def test_want_of_memory_is_told_whichever_library_says_it(error: Exception) -> None:
    failure = running.explain(error)
    assert failure.message == "The machine ran out of memory."
    assert "smaller backbone" in failure.advice


def test_a_network_whose_features_are_no_numbers_is_not_worth_another_try() -> None:
    failure = running.explain(LearningError("Some features are no numbers.", "bad_features"))

    assert "another backbone" in failure.advice


def test_a_full_volume_that_a_folder_is_copied_to_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "head.npz").touch()

    def no_room(source: str, _target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", source)

    with pytest.raises(shutil.Error) as refused:
        shutil.copytree(tmp_path, tmp_path / "there", copy_function=no_room)
    assert running.explain(refused.value).message.startswith("The disk is full")
