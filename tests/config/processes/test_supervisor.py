"""The supervisor: what dies comes back, what ends stays ended, and nothing outlives it."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core.management.base import CommandError

from config.management.commands import up
from config.processes import postgres
from config.processes.supervisor import Child, Program, Supervisor
from tests import ROOT
from tests.processes import free_port, marked, until


@pytest.fixture
def address() -> Iterator[str]:
    """Somebody who answers /healthz, as the web process would."""

    class Alive(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Alive)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def python(code: str, mark: object = "") -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), str(mark)]


def run(supervisor: Supervisor, happened: Callable[[], object]) -> list[str]:
    """Run the supervisor (in this thread, as it must be) until a condition holds; returns what it wrote."""

    ready: list[bool] = []

    def watch() -> None:
        try:
            until(lambda: ready and happened(), "what the test waits for", 240)
        finally:
            supervisor.stopping = True

    thread = threading.Thread(target=watch)
    thread.start()
    supervisor.run(lambda: ready.append(True))
    thread.join()
    assert ready == [True]
    return said(supervisor).splitlines()


def said(supervisor: Supervisor) -> str:
    assert isinstance(supervisor.out, io.BytesIO)
    return supervisor.out.getvalue().decode()


def supervisor(programs: list[Program], address: str) -> Supervisor:
    return Supervisor(programs, url=address, folder=ROOT, out=io.BytesIO())


def test_lines_are_prefixed_by_who_said_them(address):
    sleeper = python("import time; print('hello', flush=True); time.sleep(600)")
    made = supervisor([Program("web", sleeper), Program("worker", sleeper, late=True)], address)
    lines = run(made, lambda: said(made).count("hello") == 2)
    assert sorted(line for line in lines if "hello" in line) == ["web      | hello", "worker   | hello"]


def test_what_dies_is_started_again_and_said_so(address, tmp_path):
    count = tmp_path / "count"
    count.write_text("")
    code = """
        import sys, time
        with open(sys.argv[1], "a") as file: file.write("x")
        if len(open(sys.argv[1]).read()) < 3: sys.exit(3)
        time.sleep(600)
    """
    made = supervisor([Program("web", python(code, count))], address)
    lines = run(made, lambda: len(count.read_text()) == 3)
    assert [line for line in lines if "died" in line] == [
        "web      | died with 3, again in 0.5 s",
        "web      | died with 3, again in 1 s",
    ]


def test_what_cannot_be_started_now_is_tried_again_and_ends_nothing_else(address, tmp_path):
    """As where there is no memory for another process: here there is no folder to start it in."""
    folder = tmp_path / "later"
    made = Supervisor([Program("web", python("print('here', flush=True); import time; time.sleep(600)"))],
                      url=address, folder=folder, out=io.BytesIO())  # fmt: skip

    def is_there() -> bool:
        if "again in 1 s" in said(made):
            folder.mkdir(exist_ok=True)
        return "here" in said(made)

    lines = run(made, is_there)
    assert lines[0] == "web      | cannot be started (No such file or directory), again in 0.5 s"


def test_where_no_thread_can_be_started_now_it_is_tried_again(address, tmp_path, monkeypatch):
    """As where the machine has given out all of its processes, of which threads are some."""
    refused: list[str] = []
    start = threading.Thread.start

    def refuse_twice(thread: threading.Thread) -> None:
        if thread.name.endswith("(_relay)") and len(refused) < 2:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    database = postgres.Postgres(tmp_path / "postgres")
    web = Program("web", python("print('here', flush=True); import time; time.sleep(600)"))
    made = Supervisor([web], url=address, folder=ROOT, database=database, out=io.BytesIO())
    monkeypatch.setattr(threading.Thread, "start", refuse_twice)
    lines = run(made, lambda: "here" in said(made) and database.answers())
    assert lines[0] == "postgres | can't start new thread"
    assert "web      | died with -9, again in 0.5 s" in lines


def test_a_database_that_was_given_up_at_its_start_is_started_again(address, tmp_path):
    class Hasty(postgres.Postgres):
        """Gives its second start no time, as a slow disk would."""

        starts = 0

        def _wait(self, deadline: float, given_up: Callable[[], bool]) -> None:
            self.starts += 1
            super()._wait(0 if self.starts == 2 else deadline, given_up)

    database = Hasty(tmp_path / "postgres")
    sleeper = Program("web", python("import time; time.sleep(600)"))
    made = Supervisor([sleeper], url=address, folder=ROOT, database=database, out=io.BytesIO())
    made.start_database()
    assert database.process is not None
    os.kill(database.process.pid, signal.SIGKILL)
    run(made, lambda: database.starts == 3 and database.answers())
    assert "did not answer in time" in said(made)


def test_a_database_is_waited_for_only_while_somebody_waits(tmp_path):
    database = postgres.Postgres(tmp_path / "postgres")
    with pytest.raises(postgres.PostgresError, match="in time"):
        database.start(given_up=lambda: True)
    assert database.process is None


def test_pauses_grow_to_half_a_minute_and_shrink_after_a_steady_while():
    child = Child(Program("web", []))
    child.started_at = time.monotonic()
    assert [child.died() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    child.started_at = time.monotonic() - 31
    assert child.died() == 0.5


def test_a_one_off_runs_once_when_it_succeeds(address, tmp_path):
    count = tmp_path / "count"
    code = "import sys; open(sys.argv[1], 'a').write('x')"
    made = supervisor([Program("demo", python(code, count), once=True)], address)
    started = time.monotonic()
    run(made, lambda: count.exists() and time.monotonic() - started > 2)
    assert count.read_text() == "x"


def test_a_stop_ends_programs_and_what_they_started_even_when_they_do_not_listen(address, tmp_path):
    code = """
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]])
        print("up", flush=True)
        time.sleep(600)
    """
    made = supervisor([Program("stubborn", python(code, tmp_path), patience=0.5)], address)
    run(made, lambda: "up" in said(made) and len(marked(str(tmp_path))) == 2)
    assert marked(str(tmp_path)) == {}


def test_when_a_program_dies_what_it_had_started_goes_before_its_successor_comes(address, tmp_path):
    code = """
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]])
        print("up", flush=True)
        time.sleep(600)
    """
    made = supervisor([Program("trainer", python(code, tmp_path))], address)
    killed: list[int] = []

    def kill_once() -> bool:
        alive = marked(str(tmp_path))
        process = made.children[0].process
        if not killed and len(alive) == 2 and process is not None:
            killed.extend(alive)
            os.kill(process.pid, signal.SIGKILL)
        return bool(killed) and len(alive) == 2 and not set(alive) & set(killed)

    run(made, kill_once)
    assert marked(str(tmp_path)) == {}


def test_kill_9_of_the_supervisor_leaves_nothing_behind(tmp_path):
    code = f"""
        import subprocess, sys
        from pathlib import Path
        from config.processes.supervisor import Program, Supervisor
        child = "import subprocess, sys, time; " \\
            "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]]); time.sleep(600)"
        program = Program("worker", [sys.executable, "-c", child, {str(tmp_path)!r}])
        Supervisor([program], url="http://127.0.0.1:9", folder=Path.cwd()).run(lambda: None)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.DEVNULL, cwd=ROOT)
    until(lambda: len(marked(str(tmp_path)).keys() - {owner.pid}) == 2, "program and its child run")
    owner.kill()
    owner.wait()
    until(lambda: not marked(str(tmp_path)), "nothing is left")


def test_an_address_that_cannot_be_had_is_told_with_the_setting_to_change():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandError, match="Set PORT"):
            up._hold_port("127.0.0.1", taken.getsockname()[1])
    for host in ("192.0.2.1", "no host of ours"):
        with pytest.raises(CommandError, match="Set HOST"):
            up._hold_port(host, 8000)


def test_a_port_is_taken_from_the_moment_in_which_a_platform_starts_and_its_own_web_server_may_listen() -> None:
    port = free_port()
    with up._hold_port("127.0.0.1", port), socket.socket() as web:
        with pytest.raises(CommandError, match="Set PORT to a free one"):
            up._hold_port("127.0.0.1", port)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):  # as granian does
            web.setsockopt(socket.SOL_SOCKET, option, 1)
        web.bind(("127.0.0.1", port))
        web.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
            web.accept()[0].close()  # its end stays for a while
            assert line.recv(1) == b""
    with up._hold_port("127.0.0.1", port) as again:
        assert again.getsockname()[1] == port
