"""Real RabbitMQ and Redis servers for the tests: started once a session, on free ports, in folders of their own.

Where a server is not installed, a laptop's tests skip with the reason and CI's fail.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.processes import postgres
from tests.processes import free_port

_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # Debian's /usr/sbin/rabbitmq-server insists on its own user


def need(name: str, *places: str) -> str:
    for place in places:
        found = shutil.which(place)
        if found:
            return found
    reason = f"{name} is not installed on this machine (Debian's package {name} has it)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"the server did not listen on {port}: {log.read_text(errors='replace')[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with open(folder / "server.log", "wb") as log:
        return subprocess.Popen(
            postgres.guarded(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, **environment},
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = need("redis-server", "redis-server")
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = start(command, folder, {})
    wait_for(port, process, folder / "server.log")
    yield f"redis://127.0.0.1:{port}/0"
    end(process)


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = need("rabbitmq-server", _RABBITMQ, "rabbitmq-server")
    folder, port, names = tmp_path_factory.mktemp("rabbitmq"), free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{port}\nlog.console = true\n")
    (folder / "enabled_plugins").write_text("[].\n")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"crowdtune-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
    }
    process = start([program], folder, environment)
    wait_for(port, process, folder / "server.log")
    yield f"amqp://guest:guest@127.0.0.1:{port}/"
    end(process)
    # Erlang's own name server stays behind otherwise.
    subprocess.run(["epmd", "-port", str(names), "-kill"], capture_output=True, check=False)
