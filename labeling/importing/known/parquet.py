"""Parquet, by ``arrow`` beside this file."""

from __future__ import annotations

from labeling.importing.known.files import Files, Found


def read(files: Files) -> Found:
    # pyarrow takes 40 MB and a twentieth of the start: web processes, which read none, must not import it.
    from labeling.importing.known import arrow

    return arrow.read(files)
