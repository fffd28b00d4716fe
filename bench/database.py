"""A database of a measurement's own, in a temporary folder that goes with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.core.management import call_command

from config.processes import postgres


@contextmanager
def own_server(**settings: str) -> Iterator[tuple[Path, postgres.Postgres]]:
    """A temporary folder, and the server in ``postgres`` below it, until the block ends.

    Args:
        settings: The server's, such as ``synchronous_commit="off"``.
    """
    with tempfile.TemporaryDirectory(prefix="crowdtune-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "postgres").mkdir()
        server = postgres.Postgres(folder / "postgres", settings=settings)
        with (folder / "postgres.log").open("wb") as log:
            server.start(log=log)
        try:
            yield folder, server
        finally:
            server.stop()


@contextmanager
def own_database(**settings: str) -> Iterator[tuple[Path, int]]:
    """``DATA_DIR`` and the server's process id; this process and those that it starts are set up for them.

    Args:
        settings: As for ``own_server``.
    """
    with own_server(**settings) as (folder, server):
        os.environ |= {
            "DATA_DIR": str(folder), "DATABASE_URL": postgres.url(folder / "postgres"),
            "SECRET_KEY": "only for benchmarks", "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "WARNING",
            "ENV_FILE": os.devnull,
        }  # fmt: skip
        assert server.process is not None
        django.setup()
        call_command("migrate", verbosity=0)
        yield folder, server.process.pid
