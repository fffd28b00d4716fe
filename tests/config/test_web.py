"""A web process: light, without an ML library, and whole again after its database was restarted."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from config import health, web
from tests import ROOT
from tests.inference import servers
from tests.processes import free_port


def fresh(code: str) -> str:
    """Run code in a new interpreter, with the tests' environment; returns what it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout.strip()


def test_a_web_process_imports_no_ml_library():
    printed = fresh("""
        import sys
        from config.wsgi import application
        import config.urls
        from django.urls import get_resolver
        get_resolver().reverse_dict
        heavy = {"tensorflow", "keras", "jax", "torch", "sklearn", "pandas", "scipy.stats", "pyarrow",
                 "redis", "pika", "boto3"}
        print(sorted(heavy & set(sys.modules)))
    """)
    assert printed == "[]"


def test_a_web_process_tells_of_a_wrong_setting_in_a_sentence():
    wrong = {**os.environ, "WEB_THREADS": "many"}
    ran = subprocess.run([sys.executable, "-m", "config.web"], capture_output=True, text=True, cwd=ROOT, env=wrong)
    assert (ran.returncode, ran.stderr) == (1, "crowdtune: WEB_THREADS must be a whole number, got 'many'.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_a_web_process_stays_under_200_mb_before_it_serves_its_first_model():
    printed = fresh("""
        from pathlib import Path
        from config.wsgi import application
        import config.urls
        from django.urls import get_resolver
        get_resolver().reverse_dict
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        print(int(status["VmHWM"].split()[0]) * 1024)
    """)
    assert int(printed) < 200 * 2**20


@pytest.mark.parametrize("room", ["labeling", "config"])
def test_a_worker_imports_no_ml_library_for_the_labeling_room(room):
    printed = fresh("""
        import sys, django
        django.setup()
        from django.utils.module_loading import import_module
        from importlib.util import find_spec
        if find_spec("labeling.actors"):
            import_module("labeling.actors")
        print(sorted({"tensorflow", "keras", "openvino"} & set(sys.modules)))
    """)
    assert printed == "[]"


def test_the_watching_process_of_the_server_does_not_load_django():
    assert fresh("import sys, config.web; print('django' in sys.modules)") == "False"


def test_a_start_clears_up_what_killed_servers_counted_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f"{web.COUNTED}{ended.pid}-x", f"{web.COUNTED}{os.getpid()}-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counter_1.db").touch()
    kept = {f"{web.COUNTED}{os.getppid()}-x", f"{web.COUNTED}theirs-x", "crowdtune-other"}
    for name in kept:
        (tmp_path / name).mkdir()
    web._forget_killed()
    assert {path.name for path in tmp_path.iterdir()} == kept


@pytest.mark.django_db(transaction=True)
def test_requests_survive_that_the_database_closed_every_connection(client, monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 120)  # however busy the machine is
    # A pool of this test alone: threads of browser tests before it may have kept connections of the old one.
    connection.close()
    connection.close_pool()
    assert client.get("/readyz").json()["checks"]["database"] == "ok"
    parameters = connection.get_connection_params()
    with psycopg.connect(host=parameters["host"], user=parameters["user"], dbname="postgres") as other:
        query = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s"
        for patience in (0, 10_000):  # all at once, then waited for: each alone would take a tenth of a second
            other.execute(query, [patience, parameters["dbname"]])
    connection.close()  # what the end of a request does: back into the pool, unchecked
    answer = client.get("/readyz").json()
    assert answer["checks"]["database"] == "ok"
    assert answer["ready"] is True


@pytest.mark.django_db(transaction=True)
def test_many_connections_that_keep_alive_are_served_by_one_thread():
    port = free_port()
    web = servers.start(port, WEB_THREADS="1")
    kept: list[http.client.HTTPConnection] = []
    try:
        wait_for(port)
        for _ in range(100):
            kept.append(http.client.HTTPConnection("127.0.0.1", port, timeout=60))
            assert asked(kept[-1]) == 200
        assert [asked(one) for one in kept] == [200] * 100
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line:  # one request at a time on each
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            assert line.recv(9) in {b"HTTP/1.1 ", b""}
    finally:
        for one in kept:
            one.close()
        servers.kill(web)


@pytest.mark.django_db(transaction=True)
def test_bodies_that_do_not_come_hold_up_nobody():
    port = free_port()
    web = servers.start(port, WEB_THREADS="6")
    silent: list[socket.socket] = []
    try:
        wait_for(port)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as one:
            silent += [begun(port, 2**21) for _ in range(12)]
            time.sleep(1)  # until they wait
            assert asked(one) == 200
            one.request("POST", "/api/v1/auth/token/", b"{}", {"Content-Type": "application/json"})
            answer = one.getresponse()
            assert (answer.status, "username" in json.loads(answer.read())["error"]["fields"]) == (400, True)
            silent += [begun(port, 100) for _ in range(12)]
            time.sleep(1)
            assert asked(one) == 200
        refused = select.select(silent, [], [], 120)[0]
        assert b" 503 " in refused[0].recv(100)
    finally:
        for each in silent:
            each.close()
        servers.kill(web)


@pytest.mark.django_db(transaction=True)
def test_who_sends_all_before_reading_is_told_why_it_was_refused():
    """As browsers do: a line that broke in the middle of a photo would say nothing."""
    port = free_port()
    web = servers.start(port)
    try:
        wait_for(port)
        body = bytes(8 * 2**20)
        headers = {"Authorization": "Token wrong", "Content-Type": "application/json"}
        for _time in range(3):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as one:
                one.request("POST", "/api/v1/projects/pets/predict/", body, headers)
                answer = one.getresponse()
                assert (answer.status, json.loads(answer.read())["error"]["code"]) == (401, "bad_token")
    finally:
        servers.kill(web)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(sys.platform != "linux", reason="the timer of a connection is read from /proc")
def test_a_line_that_went_silent_is_asked_whether_anybody_is_there():
    port = free_port()
    web = servers.start(port, WEB_THREADS="2")
    try:
        wait_for(port)
        for _ in range(100):  # the server listens a moment before its lines are asked
            other = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            with begun(port, 100) as silent, contextlib.closing(other):
                asked(other)
                if timer(port, silent.getsockname()[1]) == "02":
                    return
            time.sleep(0.1)
        raise AssertionError("nobody would notice that it is gone")
    finally:
        servers.kill(web)


def timer(port: int, peer: int) -> str:
    """What the system waits for on our end of a connection: 02 is the next question to a silent one."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, own, other, _, _, when, *_ = line.split()
        if own.endswith(f":{port:04X}") and other.endswith(f":{peer:04X}"):
            return when[:2]
    return ""


def begun(port: int, length: int) -> socket.socket:
    """A request that promises a body and sends a letter of it."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    head = "POST /api/v1/auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {length}\r\n\r\n{{".encode())
    return connection


def asked(connection: http.client.HTTPConnection) -> int:
    """The status of a small request on an open connection, which stays open."""
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    response.read()
    return response.status


def wait_for(port: int) -> None:
    for _ in range(3000):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as one:
            try:
                assert asked(one) == 200
            except OSError:
                time.sleep(0.1)
            else:
                return
    raise AssertionError("the web server did not start")
