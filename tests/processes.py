"""For tests that start and kill real processes: what runs, what is left, and waiting for either."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests import ROOT

_numbers = itertools.count(secrets.randbelow(190))  # tests of another checkout run on this machine, too


def until(happened: Callable[[], object], what: str = "what the test waits for", seconds: float = 120) -> None:
    """Wait until something is true: asked again after a millisecond, then less and less often."""
    deadline, pause = time.monotonic() + seconds, 0.001
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pause)
        pause = min(2 * pause, 0.1)


def free_port() -> int:
    """None that the system gives to who asks for any, that another xdist worker takes, or that was given before: else
    somebody could have it before the server that it is for."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for number in _numbers:
        port = 20_000 + 64 * (number % 190) + worker % 64  # Linux gives those from 32768 on, others higher ones
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the count has no end")


def marked(mark: str) -> dict[int, str]:
    """The living processes in whose environment or arguments the mark is: pid -> arguments. Zombies are dead."""
    listed = subprocess.run(["ps", "-wweo", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in listed.splitlines():
        pid, state, arguments = line.split(None, 2)
        if state.startswith("Z") or int(pid) == os.getpid() or arguments.startswith("ps "):
            continue
        if mark in arguments or f"DATA_DIR={mark}" in environment(int(pid)):
            found[int(pid)] = arguments
    return found


def environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b"\n").decode(errors="replace")
    except OSError:
        return ""


class Platform:
    """``manage.py up`` in a folder and on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "up.log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept, "DATA_DIR": str(self.data), "PORT": str(self.port), "DEMO": "0",
            "ENV_FILE": os.devnull, "TF_CPP_MIN_LOG_LEVEL": "3",
        }  # fmt: skip

    def start(self) -> None:
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment(), cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        self.process = process
        ready = f"Crowdtune is ready at {self.url}"
        before = self.text().count(ready)
        until(lambda: self.text().count(ready) > before or process.poll() is not None, "ready", 480)
        assert process.poll() is None, self.text()[-3000:]

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], capture_output=True, text=True, env=self.environment(), cwd=ROOT,
            check=False,
        )  # fmt: skip

    def pid_of(self, *words: str) -> int:
        """The newest process of this platform with all these words in its arguments."""
        found = [pid for pid, arguments in marked(str(self.data)).items() if all(word in arguments for word in words)]
        assert found, f"no process with {words} among {marked(str(self.data))}"
        return max(found)

    def runs(self, *words: str, other_than: int = 0) -> bool:
        return any(
            pid != other_than and all(word in arguments for word in words) for pid, arguments in self.left().items()
        )

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def answers(self, path: str = "/healthz") -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url + path, timeout=30) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def left(self) -> dict[int, str]:
        return marked(str(self.data))

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(number)
            self.process.wait(240)

    def clean(self) -> None:
        """Whatever a failed test left."""
        for pid in self.left():
            os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
