"""A web process killed under load: clients that try again see no failure."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from crowdtune_client import Client, CrowdtuneError
from django.conf import settings

from config import postgres
from labeling.keys import create_key
from tests.inference.serving import picture

ROOT = Path(__file__).resolve().parents[2]
CLIENTS, ASKED = 4, 15


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(port: int) -> subprocess.Popen[bytes]:
    """The real server on the test's database and models."""
    folder = Path(os.environ["CROWDTUNE_TEST_FOLDER"]) / "postgres"
    environment = os.environ | {
        "PORT": str(port), "DATA_DIR": str(settings.DATA_DIR), "LOG_LEVEL": "ERROR",
        "DATABASE_URL": postgres.url(folder, str(settings.DATABASES["default"]["NAME"])),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "config.web"], cwd=ROOT, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_server_killed_under_load_costs_its_clients_time_and_no_answer(champion, owner) -> None:
    token, port = create_key(user=owner)[1], free_port()
    failures: list[CrowdtuneError] = []
    versions: list[int] = []
    some = threading.Event()

    def ask() -> None:
        with Client(f"http://127.0.0.1:{port}", token, retries=12) as client:
            for number in range(ASKED):
                try:
                    versions.append(client.predict("colours", picture(number)).model_version)
                except CrowdtuneError as error:
                    failures.append(error)
                some.set()

    process = start(port)
    try:
        threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        assert some.wait(60)
        kill(process)
        process = start(port)
        for thread in threads:
            thread.join()
    finally:
        kill(process)
    assert failures == []
    assert versions == [1] * (CLIENTS * ASKED)
