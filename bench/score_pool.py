"""How long a new champion takes to score a pool of unlabeled images from cached features, database included.

``python -m bench.score_pool [--images 1000000] [--dim 256]`` makes a database, rows and random features in a temporary
folder, then measures ``inference.feedback.backlog.score_pool``: features read and checked, probabilities, novelty, one
row an image by COPY, the choice of the next images, and their priorities.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

from bench.database import own_database
from bench.watching import cpu_of, family


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256, help="MobileNetV2 has 1280: five times the bytes to read")
    parser.add_argument("--classes", type=int, default=10)
    options = parser.parse_args()
    with own_database(synchronous_commit="off") as (folder, postgres_pid):
        measure(options, folder, postgres_pid)


def measure(options: argparse.Namespace, folder: Path, postgres_pid: int) -> None:
    from django.db import connection

    from bench import pools
    from inference.feedback import backlog

    started = time.perf_counter()
    project = pools.make(folder, images=options.images, dim=options.dim, classes=options.classes)
    print(f"made {options.images:,} images of {options.dim} features in {time.perf_counter() - started:.0f} s")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    started, cpu, database = time.perf_counter(), time.process_time(), cpu_of(family(postgres_pid))
    scored = backlog.score_pool(project.pk)
    seconds = time.perf_counter() - started
    result = {
        "images": scored, "dim": options.dim, "classes": options.classes, "seconds": round(seconds, 1),
        "images_per_second": round(scored / seconds),
        "cpu_seconds_of_this_process": round(time.process_time() - cpu, 1),
        "cpu_seconds_of_postgresql": round(cpu_of(family(postgres_pid)) - database, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
