"""Deleting a very large project: how long until the request answers, until all rows are gone, and who notices.

A Crowdtune of its own (``manage.py up`` on a folder of its own), a project of ``--images`` images with a task each,
some of them judged, made by SQL, and a second project in which one person claims and answers all the time, ten times a
second. The first is deleted by the API; half-way, the worker that deletes its rows is killed (SIGKILL), and the
supervisor starts another. The images' files are not there: what is timed is rows, and the list of files to discard.

    python -m bench.purging [--images 1000000] [--judged 50000] [--no-kill]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from bench import claims
from bench.api import Api, wait_until
from bench.watching import cpu_of, family

PASSWORD = "bench-purging"
TABLES = ("image", "task", "assignment", "judgment", "consensus")
PAUSE = 0.1  # seconds between two claims of the person who labels meanwhile


class Meanwhile(threading.Thread):
    """One person who claims and answers in another project; ``claims`` holds (when, seconds)."""

    def __init__(self, port: int, site: claims.Crowdtune, key: str) -> None:
        super().__init__(daemon=True)
        self.port, self.site, self.over = port, site, threading.Event()
        self.headers = {"Authorization": f"Token {key}", "Content-Type": "application/json"}
        self.claims: list[tuple[float, float]] = []

    def run(self) -> None:
        web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while not self.over.wait(PAUSE):
            started = time.monotonic()
            claimed = self._send(web, self.site.claim())
            self.claims.append((started, time.monotonic() - started))
            self._send(web, self.site.submit(claimed, "a"))

    def _send(self, web: http.client.HTTPConnection, asked: tuple[str, str, Any]) -> Any:
        method, path, body = asked
        web.request(method, path, json.dumps(body) if body else None, self.headers)
        return json.loads(web.getresponse().read())

    def between(self, start: float, end: float) -> str:
        """The median and the 99th percentile of the claims in that time, in milliseconds."""
        times = sorted(seconds for at, seconds in self.claims if start <= at < end)
        if not times:
            return "none"
        p50, p99 = (times[min(int(len(times) * share), len(times) - 1)] * 1000 for share in (0.5, 0.99))
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {times[-1] * 1000:.0f} ms of {len(times)}"


class Worker(threading.Thread):
    """Looks at the worker's memory and CPU, whichever process it is now."""

    def __init__(self, platform: int) -> None:
        super().__init__(daemon=True)
        self.platform, self.over, self.most, self.cpu = platform, threading.Event(), 0.0, {}

    def pid(self) -> int | None:
        for pid in family(self.platform):
            with contextlib.suppress(OSError):
                if b"worker\0--queues\0cpu" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    def run(self) -> None:
        while not self.over.wait(0.25):
            if pid := self.pid():
                with contextlib.suppress(OSError, IndexError):
                    held = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]
                    self.most, self.cpu[pid] = max(self.most, int(held) / 1024), cpu_of({pid})


def judge(slug: str, count: int) -> None:
    """Answers to so many of the project's tasks, with their consensus, by SQL."""
    from django.contrib.auth.models import User
    from django.db import connection

    from labeling.models import Project

    project, worker = Project.objects.get(slug=slug), User.objects.get(username="bench-0")
    question = project.questions.get()
    values = {"project": project.pk, "worker": worker.pk, "question": question.pk, "count": count}
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH asked AS (SELECT id FROM labeling_task WHERE project_id = %(project)s ORDER BY id LIMIT %(count)s),
            leased AS (
                INSERT INTO labeling_assignment (id, task_id, project_id, worker_id, slot, state, reason, created_at,
                                                 expires_at, survey_version)
                SELECT gen_random_uuid(), id, %(project)s, %(worker)s, 0, 'submitted', '', now(), now(), 1 FROM asked
                RETURNING id, task_id),
            judged AS (
                INSERT INTO labeling_judgment (task_id, project_id, worker_id, assignment_id, answers, seconds,
                                               survey_version, source, is_gold, price, created_at)
                SELECT task_id, %(project)s, %(worker)s, id, '{"category": "a"}', 2, 1, 'worker', false, 0, now()
                FROM leased)
            INSERT INTO labeling_consensus (task_id, project_id, question_id, answer, confidence, posterior, method,
                                            others, judgment_count, is_final, updated_at)
            SELECT id, %(project)s, %(question)s, '"a"', 1, '{"a": 1}', 'adaptive', '{}', 1, true, now() FROM asked""",
            values,
        )
        for table in TABLES:
            cursor.execute(f"VACUUM ANALYZE labeling_{table}")


def left(project_id: int) -> int:
    from labeling.models import Image

    return Image.objects.filter(project_id=project_id).count()


def measure(options: argparse.Namespace, platform: int, port: int) -> None:
    from django.db import connection

    from labeling.models import DiscardedFile, Project

    api = Api.sign_in(f"http://127.0.0.1:{port}", "admin", PASSWORD)
    site, _ = claims.fill(options.images, 1, 3)
    judge(site.project, options.judged)
    other, (key,) = claims.fill(100_000, 1, 3)
    project_id = Project.objects.get(slug=site.project).pk
    person, worker = Meanwhile(port, other, key), Worker(platform)
    person.start()
    worker.start()
    time.sleep(15)
    started = time.monotonic()
    api.call("DELETE", f"projects/{site.project}/")
    answered = time.monotonic()
    print(f"the request answered after {answered - started:.2f} s", flush=True)
    if options.kill:
        half = options.images // 2
        wait_until(lambda: left(project_id) < half, patience=36_000, what="half of the images to be gone", pause=1)
        os.kill(worker.pid() or 0, signal.SIGKILL)
        print(f"half of the images gone after {time.monotonic() - answered:.0f} s; the worker is killed", flush=True)
    gone = lambda: not Project.with_deleted.filter(pk=project_id).exists()
    wait_until(gone, patience=36_000, what="the rows to be gone", pause=0.5)
    rows = time.monotonic()
    wait_until(lambda: not DiscardedFile.objects.exists(), patience=36_000, what="the list of files to be empty")
    person.over.set()
    worker.over.set()
    person.join()
    print(f"all rows gone after {rows - answered:.0f} s, the list of files empty {time.monotonic() - rows:.0f} s later")
    print(f"the worker used {sum(worker.cpu.values()):.0f} s of CPU and held {worker.most:.0f} MB at most")
    print(f"claims in another project before: {person.between(0, started)}")
    print(f"meanwhile: {person.between(answered, rows)}; while files went: {person.between(rows, time.monotonic())}")
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM labeling_{table} WHERE project_id = %s", [project_id])
            assert cursor.fetchone() == (0,), table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--judged", type=int, default=50_000, help="of its tasks have a judgment")
    parser.add_argument("--no-kill", dest="kill", action="store_false", help="let the worker live")
    options = parser.parse_args()
    port = claims._free_port()
    with tempfile.TemporaryDirectory(prefix="bench-purging-") as folder:
        os.environ |= {
            "DATA_DIR": folder, "PORT": str(port), "DEMO": "0", "ENV_FILE": os.devnull, "ADMIN_PASSWORD": PASSWORD,
            "LOG_LEVEL": "WARNING", "DJANGO_SETTINGS_MODULE": "config.settings",
        }  # fmt: skip
        os.environ.pop("DATABASE_URL", None)
        platform = subprocess.Popen([sys.executable, "manage.py", "up"], stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: _answers(port), patience=180, what="Crowdtune to start")
            import django

            django.setup()
            measure(options, platform.pid, port)
        finally:
            platform.send_signal(signal.SIGTERM)
            platform.wait(30)


def _answers(port: int) -> bool:
    try:
        return Api(f"http://127.0.0.1:{port}", timeout=2).http.get("/readyz").status_code == 200
    except httpx.TransportError:  # nothing listens yet
        return False


if __name__ == "__main__":
    main()
