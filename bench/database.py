"""A database of a measurement's own, in a temporary folder that goes with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.core.management import call_command

from config import postgres


@contextmanager
def own_database(**settings: str) -> Iterator[tuple[Path, int]]:
    """``DATA_DIR`` and the server's process id; this process and those that it starts are set up for them.

    Args:
        settings: The server's, such as ``synchronous_commit="off"``.
    """
    with tempfile.TemporaryDirectory(prefix="crowdtune-bench-") as name:
        folder = Path(name)
        os.environ |= {
            "DATA_DIR": name, "DATABASE_URL": postgres.url(folder / "postgres"), "SECRET_KEY": "only for benchmarks",
            "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "WARNING", "ENV_FILE": os.devnull,
        }  # fmt: skip
        (folder / "postgres").mkdir()
        server = postgres.Postgres(folder / "postgres", settings=settings)
        with (folder / "postgres.log").open("wb") as log:
            server.start(log=log)
        try:
            assert server.process is not None
            django.setup()
            call_command("migrate", verbosity=0)
            yield folder, server.process.pid
        finally:
            server.stop()
