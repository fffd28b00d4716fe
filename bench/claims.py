"""What a claim and an answer cost: CPU time of web and database per request, and how long people wait, over HTTP.

A server of its own (embedded PostgreSQL, the platform's web server), projects of 2,000 and of 1,000,000 open tasks made
by SQL, and 32 people in processes apart who claim and answer. First as fast as they can, then at a person's pace (one
answer in two seconds each), which is what "32 people" means. CPU time is read from /proc for the web server's and the
database's processes, so the clients' own does not count.

    python -m bench.claims [--tasks 2000 1000000] [--people 32] [--answers 60] [--pace 2.0] [--label-studio VENV]

With --label-studio the same people do the same in Label Studio, in the same PostgreSQL, one after the other; see
``bench.label_studio`` for how to install it. A last pass in turns (all claim, then all answer) tells a claim's CPU from
an answer's. Tasks that were served to more people than wanted, and judgments beyond, are counted.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from bench import label_studio, people
from bench.watching import cpu_of, family


class Crowdtune(NamedTuple):
    """How a person claims and answers here."""

    project: str

    def claim(self) -> tuple[str, str, Any]:
        return "POST", f"/api/v1/projects/{self.project}/assignments/", None

    def submit(self, claimed: Any, answer: str) -> tuple[str, str, Any]:
        path = f"/api/v1/assignments/{claimed['id']}/judgment/"
        return "POST", path, {"answers": {"category": answer}, "seconds": 2.0}

    def task(self, claimed: Any) -> int:
        return int(claimed["task"])


def fill(tasks: int, people: int, wanted: int) -> tuple[Crowdtune, list[str]]:
    """A project with so many open tasks, by SQL, and a key for each person."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from labeling import services
    from labeling.accounts.keys import create_key
    from labeling.models import ApiKey

    owner, _ = User.objects.get_or_create(username="bench-owner")
    project = services.create_project(
        owner=owner, name=f"Claims {tasks}", categories=list("abcdefghij"), judgments_min=wanted, judgments_max=wanted,
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
               SELECT project_id, id, 'label', 'open', '', 0, random(), %s, 0, %s, false, '{}', now()
               FROM labeling_image WHERE project_id = %s""",
            [wanted, wanted, project.pk],
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
    return Crowdtune(project.slug), keys


class Server(NamedTuple):
    """One of the two that are compared, with a project that is ready."""

    name: str
    port: int
    pids: dict[str, int]
    site: Any
    keys: list[str]
    wanted: int


def measure(server: Server, answers: int, pace: float) -> tuple[dict[str, float], list[int]]:
    """Let the people work; returns what it cost, and the task of each answer."""
    before = _cpu(server)
    started = time.perf_counter()
    (claims, submits, tasks), _ = _let_work(server, answers, pace)
    wall, after = time.perf_counter() - started, _cpu(server)
    requests = len(claims) + len(submits)
    web, database = ((after[name] - before[name]) / requests * 1000 for name in ("web", "database"))
    times = {"claim": sorted(claims), "submit": sorted(submits)}
    spread = {f"{name} p{int(at * 100)}": _at(times[name], at) for name in times for at in (0.5, 0.99)}
    return {"a second": requests / wall, "CPU web": web, "database": database, "CPU": web + database, **spread}, tasks


def in_turns(server: Server, rounds: int) -> tuple[float, float, list[int]]:
    """CPU milliseconds of a claim and of a submit, all people at once in turns; and the task of each answer."""
    (_, _, tasks), spent = _let_work(server, rounds, 0.0, turns=True)
    count = len(server.keys) * rounds
    return sum(spent[::2]) / count * 1000, sum(spent[1::2]) / count * 1000, tasks


def _let_work(server: Server, answers: int, pace: float, turns: bool = False) -> tuple[list[list[Any]], list[float]]:
    """The people in two processes; ``turns`` reads the CPU after each turn of claims or of submits."""
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    turn = context.Barrier(3) if turns else None  # two processes, and this one
    crowds = [
        context.Process(target=people.work, args=(server.port, server.site, half, answers, pace, turn, found))
        for half in (server.keys[::2], server.keys[1::2])
    ]
    for crowd in crowds:
        crowd.start()
    read = []
    for _ in range(2 * answers + 1 if turn is not None else 0):
        turn.wait(300)
        read.append(sum(_cpu(server).values()))
        turn.wait(300)
    while not any(crowd.exitcode for crowd in crowds) and found.qsize() < len(crowds):  # nobody waits for the dead
        time.sleep(0.05)
    parts = [found.get(timeout=1) for _ in crowds]
    for crowd in crowds:
        crowd.join()
    spent = [after - before for before, after in itertools.pairwise(read)]
    return [[entry for part in parts for entry in part[index]] for index in range(len(people.PARTS))], spent


def _cpu(server: Server) -> dict[str, float]:
    return {name: cpu_of(family(pid)) for name, pid in server.pids.items()}


def _at(times: list[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)] * 1000 if times else float("nan")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def serve(folder: Path) -> tuple[Any, subprocess.Popen[bytes], int]:
    """PostgreSQL and the web server, on a folder of their own; the environment of this process points at them."""
    from config.processes import postgres

    os.environ.update(DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="WARNING")
    os.environ.pop("DATABASE_URL", None)
    (folder / "postgres").mkdir(parents=True)
    database = postgres.Postgres(folder / "postgres")
    database.start(log=subprocess.DEVNULL)
    port = _free_port()
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


def beside(options: argparse.Namespace, folder: Path, database: Any, tasks: int) -> tuple[Server, Any] | None:
    """Label Studio with a project of as many tasks; None, with the reason printed, where it is not installed."""
    why = label_studio.missing(options.label_studio)
    if why:
        print(f"Label Studio is skipped: {why}.")
        return None
    import psycopg

    from config.processes import postgres

    with psycopg.connect(postgres.url(folder / "postgres", "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE label_studio")
    studio = label_studio.LabelStudio(
        options.label_studio.resolve(), folder / "label_studio", host=str(database.sockets), user=postgres.USER,
        database="label_studio", port=_free_port(),
    )  # fmt: skip
    owner, *keys = studio.start(options.people)
    assert studio.process is not None
    pids = {"web": studio.process.pid, "database": database.process.pid}
    site = studio.fill(owner, tasks, options.wanted)
    return Server("Label Studio", studio.port, pids, site, keys, options.wanted), studio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[2000, 1_000_000])
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--answers", type=int, default=60, help="by each person")
    parser.add_argument(
        "--pace", type=float, nargs="+", default=[0.0, 2.0], help="seconds a person takes for an answer"
    )
    parser.add_argument("--wanted", type=int, default=1, help="judgments a task")
    parser.add_argument("--turns", type=int, default=10, help="rounds of the pass in turns")
    parser.add_argument("--label-studio", type=Path, help="a virtual environment with label-studio and gunicorn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-claims-") as name:
        folder = Path(name)
        database, web, port = serve(folder)
        studio = None
        try:
            import django

            django.setup()
            for tasks in options.tasks:
                site, keys = fill(tasks, options.people, options.wanted)
                pids = {"web": web.pid, "database": database.process.pid}
                _rows(options, tasks, Server("Crowdtune", port, pids, site, keys, options.wanted))
            found = beside(options, folder, database, min(options.tasks))
            if found is not None:
                server, studio = found
                _rows(options, min(options.tasks), server)
        finally:
            if studio is not None:
                studio.stop()
            web.send_signal(signal.SIGTERM)
            web.wait(15)
            database.stop()


def _rows(options: argparse.Namespace, tasks: int, server: Server) -> None:
    """A line for each pace, one in turns, and one of the books."""
    given = measure(server, 3, 0.0)[1]  # plans and caches
    print(f"\n{server.name}: {tasks} tasks, {options.people} people (milliseconds)")
    for pace in options.pace:
        row, more = measure(server, options.answers, pace)
        given += more
        title = f"one answer in {pace:g} s" if pace else "no pause"
        print(f"  {title}: " + ", ".join(f"{name} {value:.2f}" for name, value in row.items()), flush=True)
    claim, submit, more = in_turns(server, options.turns)
    counts = Counter(given + more)
    over = [count - server.wanted for count in counts.values() if count > server.wanted]
    print(f"  in turns: CPU of a claim {claim:.2f}, of a submit {submit:.2f}")
    print(f"  answers {sum(counts.values())}; tasks served to more than {server.wanted}: {len(over)}, "
          f"judgments beyond: {sum(over)}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
