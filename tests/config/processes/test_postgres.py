"""The embedded PostgreSQL: made once, killed at will, whole again, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.processes import postgres
from tests import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "postgres"
    yield made
    for pid in servers(made):
        os.kill(pid, signal.SIGKILL)


def servers(folder: Path) -> list[int]:
    """The postmasters that run on a folder, by asking the system and not their pid file."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 1) for line in listed.splitlines()]
    return [int(pid) for pid, arguments in lines if f"-D {folder.resolve()}/data " in arguments + " "]


def connect(folder: Path) -> psycopg.Connection:
    return psycopg.connect(postgres.url(folder), autocommit=True)


def wait_until_gone(folder: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while servers(folder):
        assert time.monotonic() < deadline, "the server is still there"
        time.sleep(0.05)


def test_what_was_committed_survives_kill_9_of_the_server(folder):
    server = postgres.Postgres(folder)
    server.start()
    with connect(folder) as connection:
        connection.execute("CREATE TABLE judgments (id int); INSERT INTO judgments VALUES (1)")
        assert server.process is not None
        server.process.kill()
        server.process.wait()
    again = postgres.Postgres(folder)
    again.start()
    with connect(folder) as connection:
        assert connection.execute("SELECT id FROM judgments").fetchall() == [(1,)]
    again.stop()
    assert servers(folder) == []


def test_a_start_that_goes_well_does_not_read_like_one_that_failed(folder, tmp_path):
    with (tmp_path / "log").open("wb") as log:
        for _ in range(2):  # the first makes the cluster
            server = postgres.Postgres(folder)
            server.start(log=log)
            server.stop()
    told = (tmp_path / "log").read_text()
    assert "ready to accept connections" in told
    assert "starting up" not in told


def test_the_server_goes_when_its_owner_is_killed(folder):
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(f"""
            import time
            from pathlib import Path
            from config.processes import postgres
            server = postgres.Postgres(Path({str(folder)!r}))
            server.start()
            print("started", flush=True)
            time.sleep(600)
        """)],
        stdout=subprocess.PIPE, cwd=ROOT, text=True,
    )  # fmt: skip
    assert owner.stdout is not None
    assert owner.stdout.readline() == "started\n"
    assert len(servers(folder)) == 1
    owner.kill()
    owner.wait()
    owner.stdout.close()
    wait_until_gone(folder)


def test_a_stale_pid_file_is_no_hindrance(folder):
    server = postgres.Postgres(folder)
    server.start()
    server.stop()
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'data'}\n")
    server.start()
    assert server.answers()
    server.stop()


def test_a_second_server_on_the_same_folder_is_refused_and_the_first_lives_on(folder):
    first = postgres.Postgres(folder)
    first.start()
    with pytest.raises(postgres.PostgresError, match="is Crowdtune started already"):
        postgres.Postgres(folder).start(timeout=1)
    assert first.answers()
    first.stop()


def test_a_start_that_was_cut_off_leaves_no_half_made_cluster(folder):
    (folder / "new-half").mkdir(parents=True)
    (folder / "new-half" / "PG_VERSION").write_text("18\n")
    server = postgres.Postgres(folder)
    server.start()
    assert not list(folder.glob("new-*"))
    server.stop()


def test_text_is_compared_by_code_point_in_every_locale(folder):
    server = postgres.Postgres(folder)
    server.start()
    with connect(folder) as connection:
        row = connection.execute("SELECT 'B' < 'a', upper('é'), current_setting('server_encoding')").fetchone()
    server.stop()
    assert row == (True, "É", "UTF8")


def test_a_folder_too_deep_for_a_socket_gets_one_elsewhere_and_always_the_same(tmp_path):
    deep = tmp_path / ("x" * 90)
    assert postgres.socket_folder(deep) == postgres.socket_folder(deep)
    assert len(os.fsencode(postgres.socket_folder(deep))) < 90
    assert postgres.socket_folder(tmp_path / "y") != postgres.socket_folder(deep)
    (tmp_path / "link").symlink_to(deep)
    assert postgres.socket_folder(tmp_path / "link") == postgres.socket_folder(deep)  # the server's own path is real


def test_the_server_is_not_reachable_over_the_network(folder):
    server = postgres.Postgres(folder)
    server.start()
    with connect(folder) as connection:
        row = connection.execute("SELECT current_setting('listen_addresses')").fetchone()
    assert row == ("",)
    assert postgres.socket_folder(folder).stat().st_mode & 0o077 == 0
    server.stop()
