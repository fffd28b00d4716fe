"""The web server: granian, one process (or ``WEB_PROCESSES``) of ``WEB_THREADS`` threads, as ``python -m config.web``.

The server's first process only watches and never loads Django; what it starts dies with it.
Source: https://github.com/emmett-framework/granian
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from config import env
from config.processes import allocator, guard, lines
from labeling.resilience.turns import cores

try:
    from config import settings
except env.EnvError as error:
    sys.exit(f"crowdtune: {error}")

# granian's back-pressure counts open connections, not requests: one that keeps alive and asks nothing is one of them,
# and those beyond the number are not accepted before others close. Threads say nothing about how many people there are.
# Source: https://github.com/emmett-framework/granian/issues/789
CONNECTIONS = 512
COUNTED = "crowdtune-metrics-"  # begins the name of the folder for figures


def load(_target: str) -> Any:
    """Runs in each worker process: tie it to the first one, then bring the application."""
    guard.die_with_parent(os.getppid(), signal.SIGKILL)
    allocator.keep_freed_memory()
    if "client_config" in (store := settings.STORAGES["default"].get("OPTIONS", {})):
        from labeling.importing.s3 import TRIES_OF_WEB, client_config  # here, as in config.databases

        store["client_config"] = client_config(TRIES_OF_WEB)
    # Until the server sets its own, the handler inherited from the first process would swallow a stop.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if settings.WEB_PROCESSES > 1 and not settings.INFERENCE_LANES:
        settings.INFERENCE_LANES = max(1, cores() // settings.WEB_PROCESSES)  # they share the cores
    from config.wsgi import application  # here, so that the watching process does not load Django

    # Looking for garbage after every 700 new objects was a twentieth of a request.
    gc.set_threshold(10_000, 20, 20)
    threading.Thread(target=lines.ask_silent, args=(settings.PORT,), daemon=True).start()
    threading.Thread(target=lines.end_silent, args=(settings.PORT, application.waited_for), daemon=True).start()
    return application


def main() -> None:
    if settings.WEB_PROCESSES == 1:
        _serve()
        return
    _forget_killed()
    # Prometheus' library then counts in files, so that /metrics tells of all processes, whichever answers.
    with tempfile.TemporaryDirectory(prefix=f"{COUNTED}{os.getpid()}-") as folder:
        env.pass_on("PROMETHEUS_MULTIPROC_DIR", folder)
        _serve()


def _forget_killed() -> None:
    """Remove what servers counted that were killed, and so could not clear up: their number stands in the name."""
    for folder in Path(tempfile.gettempdir()).glob(f"{COUNTED}*-*"):
        pid = folder.name.removeprefix(COUNTED).partition("-")[0]
        # In a container each server in turn has the same number.
        if pid.isdecimal() and (int(pid) == os.getpid() or not guard.is_alive(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)  # where it is another account's, that one's server does it


def _serve() -> None:
    Server(
        "config.wsgi:application",
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        workers=settings.WEB_PROCESSES,
        blocking_threads=settings.WEB_THREADS,
        backpressure=CONNECTIONS,
        backlog=1024,
        http=HTTPModes.http1,  # WSGI knows no body whose length is not told, and a line of HTTP/2 carries many at once
        http1_settings=HTTP1Settings(header_read_timeout=30_000),
        # Else one that is killed takes the others with it.
        respawn_failed_workers=settings.WEB_PROCESSES > 1,
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=8,
    ).serve(target_loader=load)


if __name__ == "__main__":
    main()
