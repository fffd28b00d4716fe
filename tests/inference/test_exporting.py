"""How a download's process ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inference.downloads.exporting import export_apart
from labeling.errors import CrowdtuneError, JobLost


@pytest.mark.parametrize(
    ("ends", "raised", "told"),
    [
        ("kill -INT $$", JobLost, "SIGINT"),  # the job stays, and is sent again
        ("echo Traceback >&2; echo 'MemoryError: too large' >&2; exit 1", CrowdtuneError, "MemoryError: too large"),
        ("kill -ABRT $$", CrowdtuneError, "exit status -6"),  # a library's own crash comes each time
        ("exit 3", CrowdtuneError, "exit status 3"),
    ],
)
def test_an_export_that_somebody_ended_is_begun_anew_and_one_that_broke_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str, raised: type[Exception], told: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{ends}\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(raised, match=told):
        export_apart({})
