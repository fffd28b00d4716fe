"""What every test stands on: a PostgreSQL of its own, an empty DATA_DIR, and the real background work.

The server starts once per run and is shared by all xdist workers (each has its own database on it). Environment
variables are set here, before Django reads its settings, so a developer's own ``data`` folder is never touched.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(os.environ.get("CROWDTUNE_TEST_FOLDER") or tempfile.mkdtemp(prefix="crowdtune-test-"))
os.environ["CROWDTUNE_TEST_FOLDER"] = str(_FOLDER)
os.environ["DATA_DIR"] = str(_FOLDER / os.environ.get("PYTEST_XDIST_WORKER", "main"))
os.environ["SECRET_KEY"] = "only for tests"
for _name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "ADMIN_PASSWORD", "PORT", "DEBUG", "HTTPS", "ALLOWED_HOSTS"):
    os.environ.pop(_name, None)
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from config import postgres  # noqa: E402 - after the environment

os.environ["DATABASE_URL"] = postgres.url(_FOLDER / "postgres")


def pytest_configure(config: pytest.Config) -> None:
    import django

    django.setup()  # pytest-django looked for settings before the environment above was there
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.help:
        return
    server = postgres.Postgres(
        _FOLDER / "postgres", settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    )
    (_FOLDER / "postgres").mkdir(parents=True, exist_ok=True)
    with open(_FOLDER / "postgres.log", "wb") as log:
        server.start(log=log)

    def stop() -> None:
        server.stop()
        shutil.rmtree(_FOLDER, ignore_errors=True)

    config.add_cleanup(stop)


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    """Rate limits count in the cache: no test pays for what another one asked."""
    from django.core.cache import cache

    cache.clear()
    yield


@pytest.fixture(autouse=True)
def own_media(settings: Any, tmp_path: Path) -> Path:
    """Files of one test are not seen by another."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "media"
