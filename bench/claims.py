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
import contextlib
import heapq
import itertools
import json
import multiprocessing
import os
import random
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench import label_studio

TICK = os.sysconf("SC_CLK_TCK")


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


class Person:
    """Claims and answers over one connection that stays open, as a browser's does.

    All people of a process take turns in one thread, each a generator that says what it waits for (seconds, or the
    answer to a request): on two cores a heavier client would take the time that is to be measured.
    """

    def __init__(self, port: int, site: Any, key: str, answers: int, pace: float, in_turns: bool) -> None:
        self.port, self.site, self.answers, self.pace, self.in_turns = port, site, answers, pace, in_turns
        self.headers = f"Host: 127.0.0.1:{port}\r\nAuthorization: Token {key}\r\nContent-Type: application/json\r\n"
        self.claims: list[float] = []
        self.submits: list[float] = []
        self.tasks: list[int] = []
        self.connection: socket.socket | None = None
        self.sent, self.received, self.path, self.times = 0.0, b"", "", self.claims
        self.steps = self._work()

    def _work(self) -> Iterator[float | str]:
        """Yields seconds to sleep, ``TURN``, or ``ANSWER`` once a request has been sent."""
        if self.pace:
            yield random.random() * self.pace
        for _ in range(self.answers):
            started = time.perf_counter()
            if self.in_turns:
                yield TURN
            self._send(self.site.claim(), self.claims)
            yield ANSWER
            claimed = json.loads(self.received)
            if self.in_turns:
                yield TURN
            self._send(self.site.submit(claimed, random.choice("abcdefghij")), self.submits)
            yield ANSWER
            self.tasks.append(self.site.task(claimed))
            if self.pace:
                yield max(0.0, self.pace - (time.perf_counter() - started))
        if self.in_turns:
            yield TURN

    def _send(self, asked: tuple[str, str, Any], times: list[float]) -> None:
        method, self.path, body = asked
        data = json.dumps(body) if body else ""
        head = f"{method} {self.path} HTTP/1.1\r\n{self.headers}Content-Length: {len(data)}\r\n\r\n"
        self.times, self.received, self.sent = times, b"", time.perf_counter()
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        self.connection.sendall((head + data).encode())

    def receive(self) -> bool:
        """Read what has come; True once the answer is whole, whose body is then in ``received``."""
        assert self.connection is not None
        part = self.connection.recv(65536)
        self.received += part
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE) if found else None
        if part and (not found or (length is not None and len(body) < int(length[1]))):
            return False
        self.times.append(time.perf_counter() - self.sent)
        status = head[9:12].decode()
        if status not in {"200", "201"}:
            raise RuntimeError(f"{self.path}: {status} {body[:300]!r}")
        if not part or re.search(rb"\r\nconnection: *close", head, re.IGNORECASE):  # as gunicorn's plain workers do
            self.close()
        self.received = body
        return True

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


TURN, ANSWER = "turn", "answer"


def _crowd(port: int, site: Any, keys: list[str], answers: int, pace: float, turn: Any, found: Any) -> None:
    people = [Person(port, site, key, answers, pace, turn is not None) for key in keys]
    try:
        _let_take_turns(people, turn)
    except BaseException:
        if turn is not None:
            turn.abort()  # nobody waits for those who do not come
        raise
    found.put([[entry for person in people for entry in getattr(person, name)] for name in PARTS])


def _let_take_turns(people: list[Person], turn: Any) -> None:
    """Go on with each person when what it waits for is there, until all are done."""
    ready, asleep = list(people), list[tuple[float, int, Person]]()
    at_turn: list[Person] = []
    waiting = selectors.DefaultSelector()
    while ready or asleep or at_turn or waiting.get_map():
        for person in ready:
            step = next(person.steps, None)
            if step == ANSWER:
                waiting.register(person.connection, selectors.EVENT_READ, person)
            elif step == TURN:
                at_turn.append(person)
            elif step is not None:
                heapq.heappush(asleep, (time.perf_counter() + float(step), id(person), person))
            else:
                person.close()
        ready = []
        if not asleep and not waiting.get_map():
            if at_turn:
                turn.wait(300)  # once when all have come, and once when their CPU has been read
                turn.wait(300)
            ready, at_turn = at_turn, []
            continue
        patience = max(0.0, asleep[0][0] - time.perf_counter()) if asleep else 120.0
        for chosen, _events in waiting.select(patience):
            connection = chosen.fileobj
            if chosen.data.receive():
                waiting.unregister(connection)
                ready.append(chosen.data)
        while asleep and asleep[0][0] <= time.perf_counter():
            ready.append(heapq.heappop(asleep)[2])


PARTS = ("claims", "submits", "tasks")


def cpu_of(pids: set[int]) -> float:
    """Seconds of CPU that these processes have used, by the scheduler's own count, and their children that are gone."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
            total += sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[13]) + int(fields[14])) / TICK
    return total


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
        context.Process(target=_crowd, args=(server.port, server.site, half, answers, pace, turn, found))
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
    return [[entry for part in parts for entry in part[index]] for index in range(len(PARTS))], spent


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
    from config import postgres

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

    from config import postgres

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
