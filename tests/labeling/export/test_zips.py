"""A zip is written in constant memory, and is one like any other."""

from __future__ import annotations

import tempfile
import tracemalloc
import zipfile

from labeling.export import zips

MANY = 3000


def test_a_zip_of_many_files_holds_none_of_them_in_memory() -> None:
    with tempfile.TemporaryFile() as out:
        tracemalloc.start()
        try:
            with zips.writing(out, zipfile.ZIP_STORED) as archive:
                for number in range(MANY):
                    archive.writestr(f"बिल्ली/{number}.txt", f"{number}")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < MANY * 150  # zipfile's own list takes some 600 bytes for each
        with zipfile.ZipFile(out) as archive:
            assert len(archive.infolist()) == MANY
            assert archive.testzip() is None
            assert archive.read(f"बिल्ली/{MANY - 1}.txt") == str(MANY - 1).encode()
