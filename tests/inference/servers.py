"""The real web server, on the test's own database and models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from config.processes import postgres
from tests import ROOT


def start(port: int, **more: str) -> subprocess.Popen[bytes]:
    """``more``: of its environment."""
    folder = Path(os.environ["CROWDTUNE_TEST_FOLDER"]) / "postgres"
    environment = os.environ | {
        "PORT": str(port), "DATA_DIR": str(settings.DATA_DIR), "LOG_LEVEL": "ERROR",
        "DATABASE_URL": postgres.url(folder, str(settings.DATABASES["default"]["NAME"])),
    } | more  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "config.web"], cwd=ROOT, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
