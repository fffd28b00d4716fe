"""``manage.py up``: the whole platform on one machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from config.processes import guard, postgres, prepare
from config.processes.supervisor import Program, Supervisor


class Command(BaseCommand):
    help = "Run everything on this machine: database, web, worker, trainer and scheduler."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--with-parent", action="store_true", help="Stop when the process that started this dies.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["with_parent"]:
            guard.die_with_parent(os.getppid(), signal.SIGTERM)
        # Features, models and the demo's truths are no other account's business, as images are none; nor is the lock,
        # which whoever may read it may hold.
        os.umask(0o077)
        lock = _only_one(settings.DATA_DIR)
        port = _hold_port(settings.HOST, settings.PORT)
        database = postgres.Postgres(settings.DATA_DIR / "postgres") if settings.EMBEDDED else None
        address = f"http://{settings.OWN_HOST}:{settings.PORT}"
        supervisor = Supervisor(_programs(), url=address, folder=settings.BASE_DIR, database=database)
        _stop_on_signals(supervisor)
        try:
            try:
                supervisor.start_database()
            except postgres.PostgresError as error:
                raise CommandError(str(error)) from error
            password = self._prepare(supervisor)
            supervisor.run(lambda: self._announce(address, password))
        except KeyboardInterrupt:
            pass
        finally:
            supervisor.stop()
            port.close()
            lock.close()

    def _prepare(self, supervisor: Supervisor) -> str | None:
        supervisor.say("up", "bringing the database's tables up to date")
        prepare.migrate()
        supervisor.say("up", "collecting static files")
        prepare.collect_static()
        prepare.ensure_bucket()
        password = prepare.ensure_admin()
        for connection in connections.all():
            connection.close()
            connection.close_pool()  # type: ignore[attr-defined]
        return password

    def _announce(self, address: str, password: str | None) -> None:
        if password:
            kept = settings.DATA_DIR / "admin_password"
            self.stdout.write(f"Staff sign in as admin with the password {password} (kept in {kept}).")
        self.stdout.write(f"Crowdtune is ready at {address}")
        self.stdout.flush()


def _programs() -> list[Program]:
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    programs = [
        Program("web", [sys.executable, "-m", "config.web"]),
        Program("worker", [*manage, "worker", "--queues", "cpu", "default"], late=True),
        *_trainers(manage),
        Program("scheduler", [*manage, "scheduler"], late=True),
    ]
    if settings.DEMO and "demo" in get_commands():
        programs.append(Program("demo", [*manage, "demo", "--auto"], once=True))
    return programs


def _trainers(manage: list[str]) -> list[Program]:
    """One, on whatever there is; or TRAINERS of them, each on the GPU of its number."""
    command = [*manage, "worker", "--queues", "gpu", "--threads", "1"]
    if settings.TRAINERS == 1:
        return [Program("trainer", command, late=True)]
    gpus = range(settings.TRAINERS)
    return [Program(f"trainer-{gpu}", [*command, "--gpu", str(gpu)], late=True) for gpu in gpus]


def _only_one(folder: Path) -> IO[str]:
    """Hold the folder's lock for as long as this process lives."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "up.lock", "w")  # noqa: SIM115 - closed when everything has stopped
    except OSError as error:
        raise CommandError(f"DATA_DIR must be a folder that can be written, but {folder}: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(f"Crowdtune runs already on {folder}. Stop it, or set DATA_DIR to another folder.") from None
    return lock


def _hold_port(host: str, port: int) -> socket.socket:
    """Have the port refused to who starts on it before the web server listens: each of two would get half of what is
    asked. The web server, which shares its port with its like (SO_REUSEPORT), may listen beside what is returned.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            is_port = error.errno in {errno.EADDRINUSE, errno.EACCES}
            way_out = "Set PORT to a free one." if is_port else "Set HOST to an address of this machine."
            raise CommandError(f"Cannot listen on {host}:{port} ({error.strerror}). {way_out}") from None
    held = socket.socket(family)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    with contextlib.suppress(OSError):  # old lines that another account's server has not ended keep it from us alone
        held.bind((host, port))
    return held


def _stop_on_signals(supervisor: Supervisor) -> None:
    def stop(_number: int, _frame: Any) -> None:
        # While it still prepares, leave there; later, let the present step end.
        if not supervisor.stopping and not supervisor.running:
            supervisor.stopping = True
            raise KeyboardInterrupt
        supervisor.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
