"""Promotions under load, and many models within a bound of memory, over HTTP on a real server.

``python -m bench.swaps [--swaps 50] [--models 24]``: a server of its own with what ``bench/serve.py`` makes, and more
versions, each with another head on a trunk of its own, so that all of them are loaded one by one.

1. ``--clients`` (16) ask ``predict/`` about two pictures at a time for as long as the second part takes.
2. The same while a program promotes another version ``--swaps`` (50) times, ``--pause`` seconds apart.
3. A new server that may keep ``--megabytes`` of models in memory: the clients ask any of ``--models`` (24) versions by
   the Open Inference Protocol, ``--requests`` times in all.

An answer has failed where it is none, or not 200. It is mixed where its probabilities are not those of the version that
its header and its body name, as that version's own files say without a server; one such picture in an answer is enough.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import serve
from bench.database import own_server

CLOSE = 1e-4  # as the promise of the API: any way of asking gives the same probabilities
COLUMNS = ("requests", "failed", "mixed", "versions", "p50 ms", "p99 ms")


@dataclass
class Tally:
    """What all clients met together."""

    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    mixed: int = 0
    versions: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seconds: float, version: int | None, is_right: bool) -> None:
        with self.lock:
            self.latencies.append(seconds)
            self.failed += version is None
            self.mixed += version is not None and not is_right
            self.versions |= {version} if version is not None else set()


@dataclass(frozen=True)
class Place:
    """The server and what is known of it. ``expected[n]`` are the probabilities of version n."""

    port: int
    slug: str
    token: str
    photo: bytes
    expected: dict[int, np.ndarray]


Ask = Callable[[http.client.HTTPConnection, Place, random.Random], tuple[int, bool]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two promotions")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--models", type=int, default=24, help="at least 2")
    parser.add_argument("--megabytes", type=int, default=40, help="of models in memory in the third part")
    parser.add_argument("--requests", type=int, default=600, help="of the third part")
    parser.add_argument("--port", type=int, default=8932)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else an ended run leaves its server behind
    with own_server() as (folder, _database):
        measure(options, folder)


def measure(options: argparse.Namespace, folder: Path) -> None:
    prepared = serve.prepare(folder)
    os.environ |= {
        "DATA_DIR": str(folder), "DATABASE_URL": prepared["database"], "ENV_FILE": os.devnull, "LOG_REQUESTS": "1",
        "SECRET_KEY": "only for benchmarks", "PORT": str(options.port), "DJANGO_SETTINGS_MODULE": "config.settings",
    }  # fmt: skip
    photo = (folder / "photo.jpg").read_bytes()
    expected, manager = make_versions(folder, prepared["slug"], options.models, photo)
    place = Place(options.port, prepared["slug"], prepared["token"], photo, expected)
    print(f"backbone {prepared['backbone']}, {options.clients} clients\n")
    print(f"{'':<24}" + "".join(f"{name:>10}" for name in COLUMNS))
    with server(folder, place):
        report(
            "no promotion", crowd(options.clients, place, predict, lambda _: time.sleep(options.swaps * options.pause))
        )
        took: list[float] = []
        swapped = crowd(options.clients, place, predict, lambda _: took.extend(swap(place, manager, options)))
        report(f"{options.swaps} promotions", swapped)
    print(f"a promotion took {np.median(took) * 1000:.0f} ms in the middle, {max(took) * 1000:.0f} at most")
    with server(folder, place, INFERENCE_MEMORY_MB=str(options.megabytes)) as process:
        held: list[float] = []
        many = crowd(options.clients, place, infer, lambda tally: held.extend(watch(place, tally, options.requests)))
        report(f"{options.models} models", many)
        print(
            f"of {options.megabytes} MB allowed at most {max(held):.1f} were held; the process took {peak(process):.0f}"
        )


def make_versions(folder: Path, slug: str, count: int, photo: bytes) -> tuple[dict[int, np.ndarray], str]:
    """Versions 1 to ``count``, each on a copy of the trunk: what each says of the photo, and a key that may promote."""
    import django

    django.setup()
    from labeling.accounts.keys import create_key
    from labeling.files.imaging import pixels
    from labeling.models import Project
    from training.learning.artifact import load_version, record_verification, write_version
    from training.learning.heads.dense import Head
    from training.learning.networks.trunk import Trunk
    from training.models import ModelVersion, TrainingRun

    project = Project.objects.get(slug=slug)
    first = ModelVersion.objects.get(project=project)
    made = load_version(folder / "version")
    trunk = Trunk(folder / "trunks" / made.trunk_key)
    features = trunk.embed(pixels(photo, trunk.size)[None])
    expected = {1: made.probabilities_from_features(features)[0]}
    for number in range(2, count + 1):
        shutil.copytree(folder / "trunks" / made.trunk_key, folder / "trunks" / f"copy-{number}")
        weights = np.random.default_rng(number).normal(0, 0.2, (trunk.dim, len(first.categories))).astype(np.float32)
        head = Head(
            [(weights, np.zeros(len(first.categories), np.float32))], np.zeros(trunk.dim, np.float32),
            np.ones(trunk.dim, np.float32), 1.0, tuple(first.categories),
        )  # fmt: skip
        write_version(
            folder / f"version-{number}", head=head, categories=head.categories, trunk_key=f"copy-{number}",
            backbone=trunk.backbone, size=trunk.size, temperature=1.0, recipe="feature_extraction", metrics={},
        )  # fmt: skip
        done = {"count": 1, "difference": 0.0, "same_top1": True, "passed": True}
        record_verification(folder / f"version-{number}", done)
        run = TrainingRun.objects.create(
            project=project, snapshot=first.run.snapshot, cause="person", backbone="", recipe="feature_extraction",
            state="succeeded",
        )  # fmt: skip
        ModelVersion.objects.create(
            project=project, run=run, number=number, categories=first.categories, artifact=f"version-{number}"
        )
        expected[number] = load_version(folder / f"version-{number}").probabilities_from_features(features)[0]
    return expected, create_key(user=project.owner, scopes=("manage",))[1]


@contextmanager
def server(folder: Path, place: Place, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """The web server alone, until the block ends."""
    if serve.answers(place.port):
        sys.exit(f"Something answers at port {place.port} already; end it or give another --port.")
    with (folder / "web.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.web"], env={**os.environ, **more}, cwd=serve.ROOT, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not serve.answers(place.port):
            if time.monotonic() > until or process.poll() is not None:
                sys.exit(f"The server did not start: {(folder / 'web.log').read_text()[-500:]}")
            time.sleep(0.05)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        while serve.answers(place.port):
            time.sleep(0.05)


def crowd(clients: int, place: Place, ask: Ask, until: Callable[[Tally], None]) -> Tally:
    """So many clients, each with a connection of its own, ask one time after another while ``until`` runs."""
    tally, over = Tally(), threading.Event()

    def work(number: int) -> None:
        connection, draw = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60), random.Random(number)
        while not over.is_set():
            started = time.perf_counter()
            try:
                version, is_right = ask(connection, place, draw)
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                connection.close()
                version, is_right = None, False
            tally.add(time.perf_counter() - started, version, is_right)
        connection.close()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        until(tally)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return tally


def post(connection: http.client.HTTPConnection, path: str, token: str, body: bytes, kind: str) -> tuple[Any, int]:
    """What a 200 says, and the version that its header names.

    Raises:
        ValueError: It is no 200.
    """
    connection.request("POST", path, body, {"Authorization": f"Token {token}", "Content-Type": kind})
    response = connection.getresponse()
    data = response.read()
    if response.status != 200:
        raise ValueError(f"{response.status}: {data[:300]!r}")
    return json.loads(data), int(response.headers.get("X-Model-Version", 0))


def predict(connection: http.client.HTTPConnection, place: Place, _draw: random.Random) -> tuple[int, bool]:
    head = 'Content-Disposition: form-data; name="image"; filename="photo.jpg"\r\nContent-Type: image/jpeg'
    part = f"--{serve.BOUNDARY}\r\n{head}\r\n\r\n".encode() + place.photo + b"\r\n"
    top = f'--{serve.BOUNDARY}\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n1000\r\n'
    body = part * 2 + f"{top}--{serve.BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={serve.BOUNDARY}"
    said, version = post(connection, f"/api/v1/projects/{place.slug}/predict/", place.token, body, kind)
    wanted = place.expected[version]
    got = [{score["category"]: score["probability"] for score in one["categories"]} for one in said["predictions"]]
    is_right = (
        said["model_version"] == version
        and len(got) == 2
        and all(abs(one[f"class{index}"] - value) < CLOSE for one in got for index, value in enumerate(wanted))
    )
    return version, is_right


def infer(connection: http.client.HTTPConnection, place: Place, draw: random.Random) -> tuple[int, bool]:
    version = draw.choice(list(place.expected))
    picture = base64.b64encode(place.photo).decode()
    body = {"inputs": [{"name": "images", "shape": [1], "datatype": "BYTES", "data": [picture]}]}
    path = f"/v2/models/{place.slug}/versions/{version}/infer"
    said, named = post(connection, path, place.token, json.dumps(body).encode(), "application/json")
    values = next(one["data"] for one in said["outputs"] if one["name"] == "probabilities")
    is_right = named == version == int(said["model_version"]) and np.abs(values - place.expected[version]).max() < CLOSE
    return version, bool(is_right)


def swap(place: Place, manager: str, options: argparse.Namespace) -> list[float]:
    """Promote one version after the other by the API; returns the seconds that each promotion took."""
    connection, took = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60), []
    for number in range(options.swaps):
        started = time.perf_counter()
        version = 2 + number % (len(place.expected) - 1) if number % 2 == 0 else 1
        post(connection, f"/api/v1/projects/{place.slug}/models/{version}/promote/", manager, b"{}", "application/json")
        took.append(time.perf_counter() - started)
        time.sleep(options.pause)
    return took


def watch(place: Place, tally: Tally, requests: int) -> list[float]:
    """Megabytes of models in memory, looked at until so many requests were made."""
    held = []
    while len(tally.latencies) < requests:
        with urllib.request.urlopen(f"http://127.0.0.1:{place.port}/metrics", timeout=60) as page:
            line = next(line for line in page if line.startswith(b"crowdtune_model_cache_bytes"))
        held.append(float(line.split()[1]) / 2**20)
        time.sleep(0.5)
    return held


def peak(process: subprocess.Popen[bytes]) -> float:
    """The most megabytes that the largest process of the server has had in memory."""
    found = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, ValueError, LookupError):
            if os.getsid(int(status.parent.name)) == process.pid:
                found.append(int(status.read_text().partition("VmHWM:")[2].split()[0]))
    return max(found) / 1024


def report(name: str, tally: Tally) -> None:
    latencies = sorted(tally.latencies)
    p50, p99 = (latencies[int(share * (len(latencies) - 1))] * 1000 for share in (0.5, 0.99))
    print(f"{name:<24}{len(latencies):>10}{tally.failed:>10}{tally.mixed:>10}{len(tally.versions):>10}"
          f"{p50:>10.0f}{p99:>10.0f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
