"""What one serving process holds and gives: many classifiers on one trunk, stored images, and its start.

``python -m bench.many``: makes what ``bench.serve`` makes (a database, MobileNetV2 where its weights are, a key) and
measures, on CPU time of this process unless said:

- 100 classifiers on one trunk: milliseconds an image answered by all of them, and the memory that they add;
- 24 versions on one trunk each under a bound of memory that holds a few: what stays in memory;
- stored images a second through the whole application (key, log, JSON), one and 32 a request;
- from nothing to the first answer, in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import serve
from bench.database import own_server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", nargs=3, help=argparse.SUPPRESS)  # folder, slug, token
    options = parser.parse_args()
    if options.first:
        folder, slug, token = options.first
        ask = asker(slug, token)
        ask(*multipart((Path(folder) / "photo.jpg").read_bytes()))
        print(json.dumps({"cpu": round(time.process_time(), 2), "megabytes": round(memory())}))
        return
    with own_server() as (folder, _database):
        measure(folder)


def measure(folder: Path) -> None:
    prepared = serve.prepare(folder)
    os.environ |= {
        "DATA_DIR": str(folder), "DATABASE_URL": prepared["database"], "ENV_FILE": os.devnull, "SECRET_KEY": "bench",
        "LOG_LEVEL": "INFO", "LOG_REQUESTS": "1", "DJANGO_SETTINGS_MODULE": "config.settings",
    }  # fmt: skip
    (folder / "static").mkdir()
    print(f"backbone {prepared['backbone']}")
    started = time.perf_counter()
    first = [sys.executable, "-m", "bench.many", "--first", str(folder), prepared["slug"], prepared["token"]]
    said = subprocess.run(first, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    print(f"start to first answer: {time.perf_counter() - started:.2f} s wall, {said.splitlines()[-1]}")
    stored(prepared)
    heads(folder)


def heads(folder: Path) -> None:
    """100 classifiers on one trunk, then 24 under a bound of memory."""
    from inference.engine.admission import Admission
    from inference.engine.engine import Engine
    from inference.engine.routing import VersionRef
    from inference.engine.runtime import open_trunk, open_version

    photo = (folder / "photo.jpg").read_bytes()
    before = memory()
    refs = [VersionRef(number, 1, number, copied(folder, number), ()) for number in range(100)]
    engine = Engine(data_dir=folder, memory=2**30, admission=Admission(lanes=2, waiting=256), open_trunk=open_trunk,
                    open_version=open_version)  # fmt: skip

    def all_answer() -> None:
        features = engine.classify(refs[0], [photo]).features
        for ref in refs[1:]:
            engine.answer(ref, features)

    milliseconds = cpu(all_answer, 30)
    print(f"100 classifiers on one trunk: {milliseconds:.1f} ms of CPU an image, {memory() - before:.0f} MB more")
    trunks = folder / "trunks"
    name = next(path.name for path in trunks.iterdir() if path.is_dir())
    size = sum(path.stat().st_size for path in (trunks / name).iterdir())
    bounded = Engine(data_dir=folder, memory=3 * size, admission=Admission(lanes=2, waiting=256), open_trunk=open_trunk,
                     open_version=open_version)  # fmt: skip
    for number in range(24):
        shutil.copytree(trunks / name, trunks / f"copy{number}")
        trunk = bounded.trunk(f"copy{number}")
        bounded.embed(trunk, [photo])
    print(f"24 trunks under a bound of {3 * size / 2**20:.0f} MB: {bounded.cache.size / 2**20:.0f} MB held, "
          f"{len(bounded.cache)} in memory, {memory():.0f} MB of the process")  # fmt: skip


def copied(folder: Path, number: int) -> str:
    shutil.copytree(folder / "version", folder / f"version{number}")
    return f"version{number}"


def stored(prepared: dict[str, Any]) -> None:
    """Images that are stored already, answered from their features."""
    ask = asker(prepared["slug"], prepared["token"])
    ids = stored_ids(prepared["slug"])
    for count in (1, 32):
        body = json.dumps({"images": [{"id": pk} for pk in ids[:count]]}).encode()
        milliseconds = cpu(lambda body=body: ask(body, "application/json"), 300)
        print(f"stored images, {count} a request: {milliseconds:.2f} ms of CPU a request, "
              f"{count * 1000 / milliseconds:.0f} images a second of one core")  # fmt: skip


def stored_ids(slug: str) -> list[int]:
    """64 images with features on the trunk of the version."""
    import numpy as np

    from inference.engine import runtime
    from inference.engine.routing import routes
    from labeling.models import Image, Project

    project = Project.objects.get(slug=slug)
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(64)]
    files = {"original": "x", "display": "x", "thumbnail": "x"}
    rows = [
        Image(project=project, sha256=one, name=one, width=1, height=1, byte_count=1, **files) for one in hashes
    ]  # fmt: skip
    Image.objects.bulk_create(rows)
    champion = routes.get(project.pk).champion
    assert champion is not None
    trunk = runtime.engine().trunk(runtime.engine().classifier(champion).trunk_key)
    features = np.abs(np.random.default_rng(0).normal(size=(64, trunk.dim))).astype(np.float32)
    runtime.feature_store(trunk.key, trunk.dim).put([row.sha256 for row in rows], features)
    return [row.pk for row in rows]


def asker(slug: str, token: str) -> Callable[[bytes, str], bytes]:
    """The application as granian calls it, without the network."""
    from config.wsgi import application

    def ask(body: bytes, kind: str) -> bytes:
        environ = {
            "REQUEST_METHOD": "POST", "PATH_INFO": f"/api/v1/projects/{slug}/predict/", "SCRIPT_NAME": "",
            "QUERY_STRING": "", "SERVER_NAME": "localhost", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost:8000", "REMOTE_ADDR": "127.0.0.1", "HTTP_AUTHORIZATION": f"Token {token}",
            "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
        }  # fmt: skip
        status: list[str] = []
        answer = application(environ, lambda line, _headers, _info=None: status.append(line))
        data = b"".join(answer)
        answer.close()
        if not status[0].startswith("200"):
            sys.exit(f"{status[0]}: {data[:300]!r}")
        return data

    return ask


def multipart(photo: bytes) -> tuple[bytes, str]:
    head = 'Content-Disposition: form-data; name="image"; filename="photo.jpg"\r\nContent-Type: image/jpeg'
    return f"--b\r\n{head}\r\n\r\n".encode() + photo + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def cpu(work: Callable[[], Any], times: int) -> float:
    """Milliseconds of CPU each."""
    for _ in range(5):
        work()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times * 1000


def memory() -> float:
    """Resident megabytes of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
