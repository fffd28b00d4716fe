"""What a claim and an answer cost: CPU time of web and database per request, and how long people wait, over HTTP.

A server of its own (embedded PostgreSQL, the platform's web server), projects of 2,000 and of 1,000,000 open tasks made
by SQL, and 32 people in processes apart who claim and answer. First as fast as they can, then at a person's pace (one
answer in two seconds each), which is what "32 people" means. CPU time is read from /proc for the web server's and the
database's processes, so the clients' own does not count.

    python -m bench.claims [--tasks 2000 1000000] [--people 32] [--answers 60] [--pace 2.0]

Label Studio under PostgreSQL with 4 processes was measured at about 100 ms of CPU for each claim and each submit on a
machine of this kind; the table's last column is how many times less that is.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

LABEL_STUDIO_MS = 100.0
TICK = os.sysconf("SC_CLK_TCK")


class Person(threading.Thread):
    """Claims and answers over one connection that stays open, as a browser's does."""

    def __init__(self, port: int, slug: str, key: str, answers: int, pace: float) -> None:
        super().__init__(daemon=True)
        self.port, self.slug, self.answers, self.pace = port, slug, answers, pace
        self.headers = {"Authorization": f"Token {key}", "Content-Type": "application/json"}
        self.claims: list[float] = []
        self.submits: list[float] = []

    def run(self) -> None:
        web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if self.pace:
            time.sleep(random.random() * self.pace)
        for _ in range(self.answers):
            started = time.perf_counter()
            assignment = self._post(web, f"/api/v1/projects/{self.slug}/assignments/", None, self.claims)
            body = {"answers": {"category": random.choice("abcdefghij")}, "seconds": 2.0}
            self._post(web, f"/api/v1/assignments/{assignment['id']}/judgment/", body, self.submits)
            if self.pace:
                time.sleep(max(0.0, self.pace - (time.perf_counter() - started)))

    def _post(self, web: http.client.HTTPConnection, path: str, body: Any, times: list[float]) -> Any:
        started = time.perf_counter()
        web.request("POST", path, json.dumps(body) if body else None, self.headers)
        answer = web.getresponse()
        data = answer.read()
        times.append(time.perf_counter() - started)
        if answer.status != 201:
            raise RuntimeError(f"{path}: {answer.status} {data[:300]!r}")
        return json.loads(data)


def _crowd(port: int, slug: str, keys: list[str], answers: int, pace: float, found: Any) -> None:
    people = [Person(port, slug, key, answers, pace) for key in keys]
    for person in people:
        person.start()
    for person in people:
        person.join()
    found.put(([t for p in people for t in p.claims], [t for p in people for t in p.submits]))


def cpu_of(pids: set[int]) -> float:
    """Seconds of CPU that these processes have used."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def family(root: int) -> set[int]:
    """The process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = set(), [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += parents.get(pid, [])
    return found


def fill(tasks: int, people: int) -> tuple[str, list[str]]:
    """A project with so many open tasks, by SQL, and a key for each person."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from labeling import services
    from labeling.keys import create_key
    from labeling.models import ApiKey

    owner, _ = User.objects.get_or_create(username="bench-owner")
    project = services.create_project(
        owner=owner, name=f"Claims {tasks}", categories=list("abcdefghij"), judgments_min=3, judgments_max=3,
        access="open", gold_rate=0.0,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO labeling_image (project_id, sha256, name, width, height, byte_count, original, display,
                                           thumbnail, created_at)
               SELECT %s, lpad(g::text, 64, '0'), g || '.jpg', 640, 480, 1, 'o', 'projects/0/' || g || '.display.jpg',
                      't', now() FROM generate_series(1, %s) g""",
            [project.pk, tasks],
        )
        cursor.execute(
            """INSERT INTO labeling_task (project_id, image_id, stage, state, retired_because, priority, random, wanted,
                                          judgment_count, open_slots, is_gold, payload, created_at)
               SELECT project_id, id, 'label', 'open', '', 0, random(), 3, 0, 3, false, '{}', now()
               FROM labeling_image WHERE project_id = %s""",
            [project.pk],
        )
        cursor.execute(
            "UPDATE labeling_project SET image_count = %s, task_count = %s WHERE id = %s", [tasks, tasks, project.pk]
        )
        cursor.execute("VACUUM ANALYZE labeling_task")
        cursor.execute("VACUUM ANALYZE labeling_image")
    keys = []
    for number in range(people):
        user, _ = User.objects.get_or_create(username=f"bench-{number}")
        services.ensure_member(project=project, user=user)
        row, key = create_key(user=user)
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
        keys.append(key)
    return project.slug, keys


def measure(port: int, slug: str, keys: list[str], answers: int, pace: float, pids: dict[str, int]) -> dict[str, Any]:
    """Let the people work, and say what it cost."""
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    halves = [keys[::2], keys[1::2]]
    before = {name: cpu_of(family(pid)) for name, pid in pids.items()}
    started = time.perf_counter()
    crowds = [context.Process(target=_crowd, args=(port, slug, half, answers, pace, found)) for half in halves]
    for crowd in crowds:
        crowd.start()
    parts = [found.get(timeout=900) for _ in crowds]
    wall = time.perf_counter() - started
    for crowd in crowds:
        crowd.join()
    after = {name: cpu_of(family(pid)) for name, pid in pids.items()}
    claims = sorted(t for part in parts for t in part[0])
    submits = sorted(t for part in parts for t in part[1])
    requests = len(claims) + len(submits)
    web, database = ((after[name] - before[name]) / requests * 1000 for name in ("web", "database"))
    return {
        "requests a second": requests / wall,
        "CPU ms web": web,
        "CPU ms database": database,
        "CPU ms": web + database,
        "claim p50": _at(claims, 0.5),
        "claim p99": _at(claims, 0.99),
        "submit p50": _at(submits, 0.5),
        "submit p99": _at(submits, 0.99),
    }


def _at(times: list[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)] * 1000 if times else float("nan")


def serve(folder: Path) -> tuple[Any, subprocess.Popen[bytes], int]:
    """PostgreSQL and the web server, on a folder of their own; the environment of this process points at them."""
    from config import postgres

    os.environ.update(DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="WARNING")
    os.environ.pop("DATABASE_URL", None)
    (folder / "postgres").mkdir(parents=True)
    database = postgres.Postgres(folder / "postgres")
    database.start(log=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = sys.executable
    subprocess.run([python, "manage.py", "migrate", "-v", "0"], check=True, env={**os.environ})
    web = subprocess.Popen([python, "-m", "config.web"], env={**os.environ, "PORT": str(port)})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return database, web, port
    raise TimeoutError("the web server did not start within 60 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[2000, 1_000_000])
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--answers", type=int, default=60, help="by each person")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds a person takes for one answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-claims-") as folder:
        database, web, port = serve(Path(folder))
        try:
            _tables(options, port, {"web": web.pid, "database": database.process.pid})
        finally:
            web.send_signal(signal.SIGTERM)
            web.wait(15)
            database.stop()


def _tables(options: argparse.Namespace, port: int, pids: dict[str, int]) -> None:
    import django

    django.setup()
    for title, pace in (("as fast as they can", 0.0), (f"one answer in {options.pace:g} s each", options.pace)):
        print(f"\n{options.people} people, {title} (milliseconds)")
        names: list[str] = []
        for tasks in options.tasks:
            slug, keys = fill(tasks, options.people)
            measure(port, slug, keys, 3, 0.0, pids)  # plans and caches
            row = measure(port, slug, keys, options.answers, pace, pids)
            if not names:
                names = list(row)
                print("     tasks  " + "  ".join(f"{name:>18}" for name in names) + "  Label Studio / ours")
            print(
                f"{tasks:>10}  "
                + "  ".join(f"{row[name]:>18.2f}" for name in names)
                + f"  {LABEL_STUDIO_MS / row['CPU ms']:>19.0f}x"
            )


if __name__ == "__main__":
    main()
