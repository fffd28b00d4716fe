"""Several web processes: they share the cores, and tell Prometheus one story."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from crowdtune_client import Client

from labeling.accounts.keys import create_key
from labeling.resilience import turns
from tests import ROOT
from tests.inference.servers import kill, start
from tests.inference.serving import picture
from tests.processes import free_port, until

ASKED = 12


@pytest.mark.django_db(transaction=True)
def test_each_process_tells_what_all_have_counted_and_outlives_the_others(champion, owner) -> None:
    token, port = create_key(user=owner)[1], free_port()

    def counted() -> set[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
            return set(re.findall(r"crowdtune_predicted_images_total\{.*\} (\S+)", page.read().decode()))

    process = start(port, WEB_PROCESSES="2")
    try:
        for number in range(ASKED):  # each on a connection of its own, so that both processes are met
            with Client(f"http://127.0.0.1:{port}", token, retries=60) as client:
                assert client.predict("colours", picture(number)).model_version == 1
        assert [counted() for _ in range(ASKED)] == [{f"{ASKED}.0"}] * ASKED
        one = _children(process)[0]
        os.kill(one, signal.SIGKILL)
        until(lambda: one not in _children(process))
        assert [counted() for _ in range(ASKED)] == [{f"{ASKED}.0"}] * ASKED
    finally:
        kill(process)


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


@pytest.mark.parametrize(
    ("processes", "lanes", "asked"), [(1, "cores", 0), (2, "half", 0), (64, "one", 0), (2, "3", 3)]
)
def test_the_processes_share_the_cores_unless_lanes_were_asked_for(processes: int, lanes: str, asked: int) -> None:
    code = (
        "from config import web; web.load(''); from inference.engine import runtime; "
        "print(runtime.engine().admission.lanes)"
    )
    environment = os.environ | {"WEB_PROCESSES": str(processes), "INFERENCE_LANES": str(asked), "ENV_FILE": os.devnull}
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    cores = turns.cores()
    assert int(printed) == {"cores": cores, "half": max(1, cores // 2), "one": max(1, cores // 64), "3": 3}[lanes]
