"""Serving side by side: Crowdtune, LitServe, BentoML and a bare Django view, one model, on this machine.

``python -m bench.serve [--requests 300]``: a 500 px JPEG in, JSON out, at 1, 8 and 32 clients. Each server runs alone.
CPU milliseconds are those of the server's whole process tree (Crowdtune's PostgreSQL included) divided by the requests;
the clients' are not counted. Crowdtune answers with keys, roles, a line of log a request, calibration and traffic on.
It does so on OpenVINO, and on LiteRT (``--only crowdtune "crowdtune litert"``). The ceiling is the same decode,
trunk and head on as many threads as cores without HTTP, in a process of its own, right before and right after
Crowdtune. The peers live in a virtual environment of their own and are left out without it:

    uv venv /tmp/peers
    uv pip install --python /tmp/peers/bin/python litserve bentoml openvino keras tensorflow-cpu pillow
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.database import own_server
from bench.watching import cpu_of, family
from config.processes import postgres

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent / "serving"
PEERS = Path(tempfile.gettempdir()) / "peers"
BOUNDARY = "bench-boundary"
DATABASE: list[int] = []  # our own PostgreSQL: its work for Crowdtune counts as Crowdtune's


@dataclass(frozen=True)
class Server:
    """One contender: how to start it, and what to ask."""

    name: str
    command: list[str]
    environment: dict[str, str]
    path: str
    headers: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="for each server and number of clients")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--only", nargs="*", help="names of the servers to run")
    parser.add_argument("--peers", type=Path, default=PEERS, help="virtual environment of LitServe and BentoML")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="of OpenVINO, in every server")
    parser.add_argument("--port", type=int, default=8931)
    options = parser.parse_args()
    os.environ["BENCH_PRECISION"] = options.precision  # every server and the ceiling read it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else an ended run leaves its server behind
    with own_server() as (folder, database):
        run(options, folder, database)


def run(options: argparse.Namespace, folder: Path, database: postgres.Postgres) -> None:
    assert database.process is not None
    DATABASE.append(database.process.pid)
    prepared = prepare(folder)
    photo = (folder / "photo.jpg").read_bytes()
    print(f"backbone {prepared['backbone']}, photo of {len(photo)} bytes")
    print(f"{'server':<24}{'clients':>8}{'cpu ms':>9}{'p50 ms':>9}{'p99 ms':>9}{'per s':>8}{'errors':>8}{'start s':>9}")
    for server in contenders(options, folder, prepared):
        runtime = server.environment.get("INFERENCE_RUNTIME")
        if runtime is None:
            measure(server, options, folder, photo)
            continue
        before = ceiling(folder, prepared["database"], runtime)
        costs = measure(server, options, folder, photo)
        after = ceiling(folder, prepared["database"], runtime)
        top = (before + after) / 2
        print(f"{'ceiling without HTTP':<24}{'':>8}{top:>9.1f}   (before {before:.2f}, after {after:.2f})")
        print("share of the ceiling: " + ", ".join(f"{top / cost:.2f}" for cost in costs))


def prepare(folder: Path) -> dict[str, Any]:
    """Models, a database with a project, and the ceiling, made by a process of their own (it needs Keras)."""
    environment = {**os.environ, "BENCH_FOLDER": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["BENCH_DATABASE"] = postgres.url(folder / "postgres")
    done = subprocess.run(
        [sys.executable, str(HERE / "prepare.py")], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result | {"database": environment["BENCH_DATABASE"]}


def ceiling(folder: Path, database: str, runtime: str) -> float:
    """CPU milliseconds an image without HTTP."""
    environment = {**os.environ, "BENCH_FOLDER": str(folder), "BENCH_DATABASE": database, "BENCH_STEP": "ceiling"}
    environment["INFERENCE_RUNTIME"] = runtime
    done = subprocess.run(
        [sys.executable, str(HERE / "prepare.py")], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout.splitlines()[-1])


def contenders(options: argparse.Namespace, folder: Path, prepared: dict[str, Any]) -> list[Server]:
    port = str(options.port)
    base = {"BENCH_FOLDER": str(folder), "BENCH_PORT": port, "PYTHONPATH": f"{HERE}:{ROOT}"}
    crowdtune = {
        "DATA_DIR": str(folder), "DATABASE_URL": prepared["database"], "PORT": port, "ENV_FILE": os.devnull,
        "SECRET_KEY": "only for benchmarks", "INFERENCE_PRECISION": {"bf16": "auto"}.get(options.precision, "f32"),
        "PYTHONPATH": str(ROOT), "LOG_LEVEL": "INFO", "LOG_REQUESTS": "1",
    }  # fmt: skip
    token = {"Authorization": f"Token {prepared['token']}"}
    path = f"/api/v1/projects/{prepared['slug']}/predict/"
    servers = [
        Server(name, [sys.executable, "-m", "config.web"], {**crowdtune, "INFERENCE_RUNTIME": runtime}, path, token)
        for name, runtime in (("crowdtune", "openvino"), ("crowdtune litert", "litert"))
    ]
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", port, "--blocking-threads", "8"]
    bento = ["-m", "bentoml", "serve", "bento_app:Service", "--port", port, "--working-dir", str(HERE)]
    for engine in ("openvino", "keras"):
        more = {**base, "BENCH_ENGINE": engine}
        servers += [
            Server(f"litserve {engine}", ["peers", str(HERE / "litserve_app.py")], more, "/predict", {}),
            Server(f"bentoml {engine}", ["peers", *bento], more, "/predict", {}),
            Server(f"django {engine}", [*granian, "django_app:application"], more, "/predict", {}),
        ]
    wanted = [server for server in servers if not options.only or server.name in options.only]
    python = options.peers / "bin" / "python"
    if not python.exists():
        print(f"LitServe and BentoML are left out: there is no {python} (--help says how to make it).")
        return [server for server in wanted if server.command[0] != "peers"]
    for server in wanted:
        if server.command[0] == "peers":
            server.command[0] = str(python)
    return wanted


def measure(server: Server, options: argparse.Namespace, folder: Path, photo: bytes) -> list[float]:
    """CPU milliseconds a request for each number of clients; prints a line each."""
    costs: list[float] = []
    until = time.monotonic() + 20  # the last server's own children end a little later
    while answers(options.port):
        if time.monotonic() > until:
            sys.exit(f"Something answers at port {options.port} already; end it or give another --port.")
        time.sleep(0.2)
    log = (folder / f"{server.name.replace(' ', '-')}.log").open("wb")
    started = time.perf_counter()
    process = subprocess.Popen(
        server.command, env={**os.environ, **server.environment}, stdout=log, stderr=log, start_new_session=True
    )
    try:
        ask = asker(server, options.port, photo)
        if not first_answer(ask, process):
            print(f"{server.name:<24}  did not start; see {log.name}: {Path(log.name).read_text()[-300:]!r}")
            return costs
        ready = time.perf_counter() - started
        for clients in options.clients:
            load(ask, clients, max(clients, 20))
            before = cpu_of(family(process.pid, *DATABASE))
            latencies, errors, seconds = load(ask, clients, options.requests)
            cpu = (cpu_of(family(process.pid, *DATABASE)) - before) / options.requests * 1000
            costs.append(cpu)
            latencies.sort()
            p50, p99 = (latencies[int(share * (len(latencies) - 1))] * 1000 for share in (0.5, 0.99))
            rate = options.requests / seconds
            print(f"{server.name:<24}{clients:>8}{cpu:>9.1f}{p50:>9.1f}{p99:>9.1f}{rate:>8.0f}{errors:>8}{ready:>9.1f}")
            sys.stdout.flush()
        return costs
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def asker(server: Server, port: int, photo: bytes) -> Callable[[], Callable[[], bool]]:
    """Makes one client: a kept connection and a function that asks once and says whether it was answered."""
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()  # fmt: skip
    headers = {**server.headers, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def client() -> Callable[[], bool]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def ask() -> bool:
            try:
                connection.request("POST", server.path, body, headers)
                response = connection.getresponse()
                return response.read() != b"" and response.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                return False

        return ask

    return client


def first_answer(client: Callable[[], Callable[[], bool]], process: subprocess.Popen[bytes]) -> bool:
    ask, until = client(), time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if ask():
            return True
        time.sleep(0.05)
    return False


def load(client: Callable[[], Callable[[], bool]], clients: int, requests: int) -> tuple[list[float], int, float]:
    """``requests`` in all by ``clients`` threads: (latencies, errors, seconds)."""
    left, lock = [requests], threading.Lock()
    latencies: list[float] = []
    errors = [0]

    def work() -> None:
        ask = client()
        while True:
            with lock:
                if not left[0]:
                    return
                left[0] -= 1
            started = time.perf_counter()
            good = ask()
            with lock:
                latencies.append(time.perf_counter() - started)
                errors[0] += not good

    threads = [threading.Thread(target=work) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, errors[0], time.perf_counter() - started


if __name__ == "__main__":
    main()
