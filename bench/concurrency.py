"""Many people at once: N clients claim and submit on few tasks, and the books must balance exactly.

Uses only the public contract of a running Crowdtune.

    python -m bench.concurrency --token KEY [--clients 32] [--tasks 200] [--judgments 3]
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.api import Api


def _pictures(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    files = []
    for number in range(count):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
        file = folder / f"{number:05d}.png"
        file.write_bytes(buffer.getvalue())
        files.append(file)
    return files


def _label(api: Api, slug: str, seen: list[Any], times: list[tuple[float, float]]) -> None:
    while True:
        started = time.perf_counter()
        claimed = api.send("POST", f"projects/{slug}/assignments/")
        taken = time.perf_counter() - started
        if claimed.status_code == 204:
            return
        claimed.raise_for_status()
        assignment = claimed.json()
        answers = {question["key"]: "a" for question in assignment["questions"]}
        started = time.perf_counter()
        sent = api.send("POST", f"assignments/{assignment['id']}/judgment/", json={"answers": answers, "seconds": 0.1})
        sent.raise_for_status()
        seen.append(assignment["task"])
        times.append((taken, time.perf_counter() - started))


def measure(url: str, token: str, *, clients: int, tasks: int, judgments: int) -> dict[str, Any]:
    owner = Api(url, token)
    body = {
        "name": f"Concurrency {int(time.time())}",
        "categories": ["a", "b"],
        "judgments_per_task": {"min": judgments, "max": judgments},
        "automatic_training": False,
    }
    slug = owner.call("POST", "projects/", json=body)["slug"]
    with tempfile.TemporaryDirectory() as folder:
        owner.upload(slug, _pictures(Path(folder), tasks), batch=200)
    seen: list[list[Any]] = [[] for _ in range(clients)]
    times: list[tuple[float, float]] = []
    threads = []
    for number in range(clients):
        made = owner.call("POST", f"projects/{slug}/workers/", json={"username": f"{slug}-{number}", "role": "worker"})
        api = Api(url, made["token"])
        threads.append(threading.Thread(target=_label, args=(api, slug, seen[number], times)))
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.monotonic() - started
    per_task = Counter(str(task) for mine in seen for task in mine)
    stored = sum(1 for _ in owner.pages(f"projects/{slug}/judgments/?page_size=500"))
    claims, submits = sorted(t[0] for t in times), sorted(t[1] for t in times)
    return {
        "wanted judgments": tasks * judgments,
        "stored judgments": stored,
        "answers accepted": sum(len(mine) for mine in seen),
        "tasks served twice to one worker": sum(len(mine) - len(set(map(str, mine))) for mine in seen),
        "tasks with too many": sum(count > judgments for count in per_task.values()),
        "tasks with too few": tasks - sum(count >= judgments for count in per_task.values()),
        "pairs a second": round(len(times) / wall, 1),
        "claim p50 / p99 ms": _milliseconds(claims),
        "submit p50 / p99 ms": _milliseconds(submits),
    }


def _milliseconds(ordered: list[float]) -> str:
    return f"{1000 * statistics.median(ordered):.1f} / {1000 * ordered[int(len(ordered) * 0.99)]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", default=os.environ.get("CROWDTUNE_TOKEN", ""))
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--judgments", type=int, default=3)
    options = parser.parse_args()
    figures = measure(
        options.url, options.token, clients=options.clients, tasks=options.tasks, judgments=options.judgments
    )
    for name, figure in figures.items():
        print(f"{name:<36} {figure}")


if __name__ == "__main__":
    main()
